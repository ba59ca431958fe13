/*
 * Loaded before the C library of user-mode-linux. That kernel keeps 2,696 bytes of a process's extended registers, all but those
 * of AMX; a host whose processor has AMX refuses to take less than all of them (EFAULT), and no process of the guest starts.
 * What the guest does not know is added from what the process has.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char all[1 << 16];

long ptrace(enum __ptrace_request request, ...)
{
	long word, done;
	__builtin_va_list words;
	__builtin_va_start(words, request);
	pid_t pid = __builtin_va_arg(words, pid_t);
	void *addr = __builtin_va_arg(words, void *), *data = __builtin_va_arg(words, void *);
	__builtin_va_end(words);

	struct iovec *guests = data, whole = { all, sizeof(all) };
	if (request == PTRACE_SETREGSET && addr == (void *)NT_X86_XSTATE
	    && syscall(SYS_ptrace, PTRACE_GETREGSET, pid, addr, &whole) == 0 && guests->iov_len < whole.iov_len) {
		memcpy(all, guests->iov_base, guests->iov_len);
		data = &whole;
	}
	/* The system call stores a word that was asked for; the C library returns it. */
	int peeks = request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER;
	done = syscall(SYS_ptrace, request, pid, addr, peeks ? &word : data);
	return peeks && done == 0 ? word : done;
}
