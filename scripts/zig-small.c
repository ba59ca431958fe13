/*
 * In place of larger parts of which irsync uses next to nothing. A program takes what is here before what is in a library.
 */

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>

/*
 * The name of a thread, which std gives to each in that thread itself. musl's writes the names of other threads to files in /proc,
 * whose paths it has printf make: that is all that would ask for printf, 8 KiB of it.
 */
int pthread_setname_np(pthread_t thread, const char *name)
{
    if (strnlen(name, 16) > 15)
        return ERANGE;
    if (!pthread_equal(thread, pthread_self()))
        return ENOSYS;
    return prctl(PR_SET_NAME, (unsigned long)name, 0UL, 0UL, 0UL) ? errno : 0;
}

/* The unwinder, which std names for the backtrace of a panic: without tables there is nothing to trace. */

typedef void Context;

/* _URC_END_OF_STACK */
int _Unwind_Backtrace(void *trace, void *argument)
{
    (void)trace;
    (void)argument;
    return 5;
}

/* Nobody has a context to ask these for. _UVRSR_NOT_IMPLEMENTED */
int _Unwind_VRS_Get(Context *context, int class, unsigned number, int representation, void *value)
{
    (void)context;
    (void)class;
    (void)number;
    (void)representation;
    (void)value;
    return 1;
}

unsigned long _Unwind_GetIP(Context *context)
{
    (void)context;
    return 0;
}

unsigned long _Unwind_GetIPInfo(Context *context, int *before)
{
    (void)context;
    *before = 0;
    return 0;
}

unsigned long _Unwind_GetCFA(Context *context)
{
    (void)context;
    return 0;
}

void *_Unwind_FindEnclosingFunction(void *address)
{
    (void)address;
    return 0;
}
