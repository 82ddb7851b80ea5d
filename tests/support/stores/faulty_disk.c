/* Faults of a disk for one process, by LD_PRELOAD: failing reads, writes and syncs, and a journal of
 * what was synced, from which `power_loss.py` rebuilds what a loss of power would have left.
 *
 * FAULTY_DISK_ROOT     the directory whose files are concerned (a real path)
 * FAULTY_DISK_CONTROL  a file of `struct control`, mapped and changed by the test; optional
 * FAULTY_DISK_JOURNAL  a file that events are appended to, one a line; optional
 * FAULTY_DISK_KEPT     a directory for hard links to files that are removed or replaced
 *
 * RocksDB's own information log (LOG, LOG.old...) is left alone: nothing depends on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ = 1, WRITE = 2, SYNC = 4 };

struct control {
    atomic_int operations; /* which fail: the sum of READ, WRITE, SYNC */
    int error;             /* with this errno */
    atomic_int remaining;  /* so many times; negative: always */
    atomic_int hits;       /* how often something failed */
    char suffix[48];       /* only files whose names end so; empty: all */
};

static char root[PATH_MAX];
static const char *kept;
static size_t root_length;
static struct control *control;
static int journal = -1;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    const char *given = getenv("FAULTY_DISK_ROOT");
    if (!given || !realpath(given, root)) return;
    root_length = strlen(root);
    kept = getenv("FAULTY_DISK_KEPT");
    const char *path = getenv("FAULTY_DISK_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) control = mapped;
        close(fd);
    }
    path = getenv("FAULTY_DISK_JOURNAL");
    if (path) journal = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int concerns(const char *path) {
    if (!root_length || strncmp(path, root, root_length)) return 0;
    if (path[root_length] && path[root_length] != '/') return 0;
    const char *name = strrchr(path, '/');
    return !name || strncmp(name + 1, "LOG", 3) || strstr(name, "LOCK");
}

/* The real path of an open file, if it is one that is watched. */
static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return concerns(path);
}

/* The real path of a name that need not exist: its folder's real path, and the last part. */
static int real_name(const char *name, char *path) {
    char folder[PATH_MAX];
    const char *last = strrchr(name, '/');
    if (!root_length || !last || last == name || strlen(name) >= PATH_MAX) return 0;
    memcpy(folder, name, last - name);
    folder[last - name] = 0;
    if (!realpath(folder, path) || strlen(path) + strlen(last) >= PATH_MAX) return 0;
    strcat(path, last);
    return concerns(path);
}

static int fails(int fd, int operation) {
    if (!control || !(atomic_load(&control->operations) & operation)) return 0;
    int kept_errno = errno;
    char path[PATH_MAX];
    if (!path_of(fd, path)) { errno = kept_errno; return 0; }
    size_t length = strlen(path), wanted = strlen(control->suffix);
    errno = kept_errno;
    if (length < wanted || strcmp(path + length - wanted, control->suffix)) return 0;
    int left = atomic_load(&control->remaining);
    do {
        if (!left) return 0;
        if (left < 0) break;
    } while (!atomic_compare_exchange_weak(&control->remaining, &left, left - 1));
    atomic_fetch_add(&control->hits, 1);
    errno = control->error;
    return 1;
}

static void note(const char *format, ...) {
    char line[2 * PATH_MAX + 64];
    int kept_errno = errno;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    REAL(write);
    if (real(journal, line, length) != length) abort();
    errno = kept_errno;
}

static void keep(const char *path) {
    struct stat found;
    char name[PATH_MAX];
    if (!kept || stat(path, &found)) return;
    snprintf(name, sizeof name, "%s/%lu", kept, (unsigned long)found.st_ino);
    int kept_errno = errno;
    (void)!link(path, name);
    errno = kept_errno;
}

ssize_t read(int fd, void *buffer, size_t size) {
    REAL(read);
    return fails(fd, READ) ? -1 : real(fd, buffer, size);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t at) {
    REAL(pread);
    return fails(fd, READ) ? -1 : real(fd, buffer, size, at);
}

ssize_t pread64(int fd, void *buffer, size_t size, off64_t at) {
    REAL(pread64);
    return fails(fd, READ) ? -1 : real(fd, buffer, size, at);
}

ssize_t write(int fd, const void *buffer, size_t size) {
    REAL(write);
    return fails(fd, WRITE) ? -1 : real(fd, buffer, size);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at) {
    REAL(pwrite);
    return fails(fd, WRITE) ? -1 : real(fd, buffer, size, at);
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t at) {
    REAL(pwrite64);
    return fails(fd, WRITE) ? -1 : real(fd, buffer, size, at);
}

/* What is written while the sync runs may not be part of it: the size before it counts. */
static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat before;
    if (fails(fd, SYNC)) return -1;
    int is_noted = journal >= 0 && path_of(fd, path) && !fstat(fd, &before);
    int result = real(fd);
    if (is_noted && !result) {
        if (S_ISDIR(before.st_mode)) note("D\t%s\n", path);
        else note("S\t%lu\t%ld\n", (unsigned long)before.st_ino, (long)before.st_size);
    }
    return result;
}

int fsync(int fd) {
    REAL(fsync);
    return synced(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return synced(fd, real);
}

static int opened(int fd, const char *name, int is_new) {
    char path[PATH_MAX];
    struct stat found;
    if (fd >= 0 && is_new && path_of(fd, path) && !fstat(fd, &found))
        note("C\t%lu\t%s\n", (unsigned long)found.st_ino, path);
    return fd;
}

static int is_new(const char *name, int flags) {
    struct stat found;
    return journal >= 0 && (flags & O_CREAT) && root_length && stat(name, &found);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list arguments; \
        va_start(arguments, flags); \
        mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(arguments, mode_t) : 0; \
        va_end(arguments); \
        int created = is_new(path, flags); \
        return opened(real(path, flags, mode), path, created); \
    }

OPEN(open)
OPEN(open64)

FILE *fopen(const char *name, const char *mode) {
    REAL(fopen);
    int created = journal >= 0 && *mode != 'r' && is_new(name, O_CREAT);
    FILE *file = real(name, mode);
    if (file && created) opened(fileno(file), name, created);
    return file;
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char old[PATH_MAX], new[PATH_MAX];
    struct stat moved, replaced;
    if (journal < 0 || !real_name(from, old) || !real_name(to, new) || stat(from, &moved))
        return real(from, to);
    unsigned long before = stat(to, &replaced) ? 0 : (unsigned long)replaced.st_ino;
    if (before) keep(to);
    int result = real(from, to);
    if (!result) note("R\t%lu\t%lu\t%s\t%s\n", (unsigned long)moved.st_ino, before, old, new);
    return result;
}

int unlink(const char *name) {
    REAL(unlink);
    char path[PATH_MAX];
    struct stat found;
    if (journal < 0 || !real_name(name, path) || stat(name, &found)) return real(name);
    keep(name);
    int result = real(name);
    if (!result) note("U\t%lu\t%s\n", (unsigned long)found.st_ino, path);
    return result;
}
