/* In place of the unwinder, which std names for the backtrace of a panic: without tables there is nothing to trace. */

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
