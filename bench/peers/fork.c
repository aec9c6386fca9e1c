/* A bare fork, exit and wait of a process of a given size: `fork MEGABYTES TIMES` prints the nanoseconds of each. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

int main(int count, char **arguments) {
    if (count != 3) return 64;
    size_t size = (size_t)atol(arguments[1]) << 20;
    long times = atol(arguments[2]);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 71;
    memset(memory, 1, size);
    for (long turn = 0; turn < times; turn++) {
        long long begun = now();
        pid_t child = fork();
        if (child < 0) return 71;
        if (child == 0) _exit(0);
        waitpid(child, NULL, 0);
        printf("%lld\n", now() - begun);
    }
    return 0;
}
