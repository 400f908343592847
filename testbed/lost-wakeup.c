/*
 * For LD_PRELOAD: four wakeups of a condition variable of the program itself (in Node, that of the threads that do file
 * work) are lost, from the number LOSE_WAKEUP on, as by a bug of glibc: https://sourceware.org/bugzilla/show_bug.cgi?id=25847
 * Four in a row, since a thread that has just ended its work takes the next one without any.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static uintptr_t begin = UINTPTR_MAX, end;
static long lost, count;
static int (*wake)(pthread_cond_t *);

/* The first object is the program. */
static int measure(struct dl_phdr_info *object, size_t size, void *data) {
  (void)size, (void)data;
  for (int at = 0; at < object->dlpi_phnum; at++) {
    if (object->dlpi_phdr[at].p_type != PT_LOAD) continue;
    uintptr_t from = object->dlpi_addr + object->dlpi_phdr[at].p_vaddr;
    uintptr_t to = from + object->dlpi_phdr[at].p_memsz;
    if (from < begin) begin = from;
    if (to > end) end = to;
  }
  return 1;
}

__attribute__((constructor)) static void prepare(void) {
  const char *given = getenv("LOSE_WAKEUP");
  lost = given ? atol(given) : 0;
  wake = (int (*)(pthread_cond_t *))dlsym(RTLD_NEXT, "pthread_cond_signal");
  dl_iterate_phdr(measure, NULL);
}

int pthread_cond_signal(pthread_cond_t *condition) {
  uintptr_t at = (uintptr_t)condition;
  long number = at >= begin && at < end ? __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) : 0;
  if (lost > 0 && number >= lost && number < lost + 4) {
    static const char said[] = "a wakeup was lost\n";
    if (write(2, said, sizeof said - 1) < 0) _exit(1);
    return 0;
  }
  return wake(condition);
}
