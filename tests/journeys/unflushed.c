/* A disk whose flushes fail while the file named by FAULT_FLUSH exists: preloaded into a platform under test.

   gcc -shared -fPIC -O2 -o unflushed.so unflushed.c
   FAULT_FLUSH=/some/file LD_PRELOAD=./unflushed.so aichung serve
   touch /some/file        every fsync and fdatasync says EIO
   rm /some/file           the disk is well again                                                              */

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failing(void) {
    const char *flag = getenv("FAULT_FLUSH");
    int kept = errno, fails = flag != NULL && access(flag, F_OK) == 0;
    errno = kept;
    return fails;
}

static int flush(long call, int file) {
    if (failing()) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, file);
}

int fsync(int file) { return flush(SYS_fsync, file); }

int fdatasync(int file) { return flush(SYS_fdatasync, file); }
