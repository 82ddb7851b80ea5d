/* Faults of a disk for one process, by LD_PRELOAD: failing reads, writes and syncs, and a journal of
 * what was synced, from which `power_loss.py` rebuilds what a loss of power would have left.
 *
 * FAULTY_DISK_ROOT     the directory whose files are concerned (a real path)
 * FAULTY_DISK_CONTROL  a file of `struct control`, mapped and changed by the test; optional
 * FAULTY_DISK_JOURNAL  a file that events are appended to, one a line; optional
 * FAULTY_DISK_KEPT     a directory for hard links to files that are removed or replaced
 *
 * Files are written in two ways. RocksDB appends to its files (`write`), so the size at a sync says
 * what was synced. A journal of changes has its space allocated and is written in place (`pwrite`,
 * `pwritev`): each such write is in the journal, with the bytes that it replaced.
 *
 * RocksDB's own information log (LOG, LOG.old...) is left alone: nothing depends on it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* TORN: of a write that fails, the first half is written nevertheless. */
enum { READ = 1, WRITE = 2, SYNC = 4, ALLOCATE = 8, CREATE = 16, REMOVE = 32, TORN = 64 };

struct control {
    atomic_int operations; /* which fail: a sum of the constants above */
    int error;             /* with this errno; negative: by that signal, which ends the process */
    atomic_int skipped;    /* so many work before the first that fails */
    atomic_int remaining;  /* so many fail; negative: all */
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

/* Counts down to zero; returns the number before, which may be negative. */
static int counted_down(atomic_int *number) {
    int left = atomic_load(number);
    while (left > 0 && !atomic_compare_exchange_weak(number, &left, left - 1));
    return left;
}

static int is_to_fail(int operation) {
    return control && atomic_load(&control->operations) & operation;
}

static int path_fails(const char *path) {
    size_t length = strlen(path), wanted = strlen(control->suffix);
    if (length < wanted || strcmp(path + length - wanted, control->suffix)) return 0;
    if (counted_down(&control->skipped) || !counted_down(&control->remaining)) return 0;
    atomic_fetch_add(&control->hits, 1);
    if (control->error < 0) raise(-control->error);
    errno = control->error;
    return 1;
}

static int fails(int fd, int operation) {
    if (!is_to_fail(operation)) return 0;
    int kept_errno = errno;
    char path[PATH_MAX];
    int is_watched = path_of(fd, path);
    errno = kept_errno;
    return is_watched && path_fails(path);
}

static int name_fails(const char *name, int operation) {
    if (!is_to_fail(operation)) return 0;
    int kept_errno = errno;
    char path[PATH_MAX];
    int is_watched = real_name(name, path);
    errno = kept_errno;
    return is_watched && path_fails(path);
}

static void append_line(const char *line, size_t length) {
    REAL(write);
    if (real(journal, line, length) != (ssize_t)length) abort();
}

static void note(const char *format, ...) {
    char line[2 * PATH_MAX + 64];
    int kept_errno = errno;
    va_list arguments;
    va_start(arguments, format);
    append_line(line, vsnprintf(line, sizeof line, format, arguments));
    va_end(arguments);
    errno = kept_errno;
}

/* The bytes that a write will replace; they are zeros behind the end of the file. */
struct replaced {
    char *bytes;
    unsigned long inode;
};

static struct replaced before_write(int fd, size_t size, off64_t at) {
    struct replaced found = {NULL, 0};
    char path[PATH_MAX], link[64];
    struct stat file;
    int kept_errno = errno;
    if (journal >= 0 && path_of(fd, path) && !fstat(fd, &file)) {
        found.bytes = calloc(1, size + 1);
        found.inode = file.st_ino;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        /* Without the functions of this library, and also if `fd` is only open for writing. */
        int reader = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
        if (reader < 0 || syscall(SYS_pread64, reader, found.bytes, size, at) < 0) abort();
        close(reader);
    }
    errno = kept_errno;
    return found;
}

/* Notes what was written, and in hexadecimal what was there before, unless that was zeros. It does
 * so after the write: then all that was noted before a sync began is part of that sync. */
static ssize_t noted_write(struct replaced old, off64_t at, ssize_t written) {
    if (!old.bytes) return written;
    int kept_errno = errno, is_zero = 1;
    char *line = malloc(128 + 2 * (written > 0 ? written : 0));
    int length = sprintf(line, "W\t%lu\t%ld\t%zd\t", old.inode, (long)at, written);
    for (ssize_t i = 0; i < written && is_zero; i++) is_zero = !old.bytes[i];
    for (ssize_t i = 0; i < written && !is_zero; i++)
        length += sprintf(line + length, "%02x", (unsigned char)old.bytes[i]);
    line[length++] = '\n';
    if (written > 0) append_line(line, length);
    free(line);
    free(old.bytes);
    errno = kept_errno;
    return written;
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

ssize_t writev(int fd, const struct iovec *buffers, int count) {
    REAL(writev);
    return fails(fd, WRITE) ? -1 : real(fd, buffers, count);
}

static size_t total(const struct iovec *buffers, int count) {
    size_t size = 0;
    while (count--) size += buffers[count].iov_len;
    return size;
}

/* A write at a position, all forms of which become this one. */
static ssize_t write_at(int fd, const struct iovec *buffers, int count, off64_t at, int flags) {
    struct replaced old = before_write(fd, total(buffers, count), at);
    struct iovec first = {buffers->iov_base, buffers->iov_len / 2 + 1};
    int is_failing = fails(fd, WRITE);
    if (is_failing && !is_to_fail(TORN)) {
        free(old.bytes);
        return -1;
    }
    if (is_failing) buffers = &first, count = 1;
    ssize_t written = noted_write(old, at, syscall(SYS_pwritev2, fd, buffers, count, at, 0, flags));
    if (is_failing) errno = control->error;
    return is_failing ? -1 : written;
}

static ssize_t write_one_at(int fd, const void *buffer, size_t size, off64_t at) {
    struct iovec one = {(void *)buffer, size};
    return write_at(fd, &one, 1, at, 0);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at) {
    return write_one_at(fd, buffer, size, at);
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t at) {
    return write_one_at(fd, buffer, size, at);
}

ssize_t pwritev(int fd, const struct iovec *buffers, int count, off_t at) {
    return write_at(fd, buffers, count, at, 0);
}

ssize_t pwritev64(int fd, const struct iovec *buffers, int count, off64_t at) {
    return write_at(fd, buffers, count, at, 0);
}

ssize_t pwritev2(int fd, const struct iovec *buffers, int count, off_t at, int flags) {
    return write_at(fd, buffers, count, at, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *buffers, int count, off64_t at, int flags) {
    return write_at(fd, buffers, count, at, flags);
}

/* These two return the error. */
int posix_fallocate(int fd, off_t at, off_t size) {
    REAL(posix_fallocate);
    return fails(fd, ALLOCATE) ? errno : real(fd, at, size);
}

int posix_fallocate64(int fd, off64_t at, off64_t size) {
    REAL(posix_fallocate64);
    return fails(fd, ALLOCATE) ? errno : real(fd, at, size);
}

int fallocate(int fd, int mode, off_t at, off_t size) {
    REAL(fallocate);
    return fails(fd, ALLOCATE) ? -1 : real(fd, mode, at, size);
}

int fallocate64(int fd, int mode, off64_t at, off64_t size) {
    REAL(fallocate64);
    return fails(fd, ALLOCATE) ? -1 : real(fd, mode, at, size);
}

/* What is written while the sync runs may not be part of it: the size before it counts, and the
 * length of the journal, which has all writes in place that came before. */
static int synced(int fd, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat before, events;
    int is_failing = fails(fd, SYNC), kept_errno = errno;
    int is_noted = journal >= 0 && path_of(fd, path) && !fstat(fd, &before) && !fstat(journal, &events);
    errno = kept_errno;
    int result = is_failing ? -1 : real(fd);
    if (is_noted && S_ISDIR(before.st_mode)) {
        if (!result) note("D\t%s\n", path);
    } else if (is_noted) {
        /* After a failed sync the kernel takes the pages for written: the next sync omits them. */
        if (result) note("F\t%lu\n", (unsigned long)before.st_ino);
        else note("S\t%lu\t%ld\t%ld\n", (unsigned long)before.st_ino, (long)before.st_size,
                  (long)events.st_size);
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
        if ((flags & O_CREAT) && name_fails(path, CREATE)) return -1; \
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
    if (name_fails(to, CREATE)) return -1;
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
    if (name_fails(name, REMOVE)) return -1;
    if (journal < 0 || !real_name(name, path) || stat(name, &found)) return real(name);
    keep(name);
    int result = real(name);
    if (!result) note("U\t%lu\t%s\n", (unsigned long)found.st_ino, path);
    return result;
}

int mkdir(const char *name, mode_t mode) {
    REAL(mkdir);
    char path[PATH_MAX];
    struct stat found;
    int result = real(name, mode);
    if (!result && journal >= 0 && real_name(name, path) && !stat(name, &found))
        note("M\t%lu\t%s\n", (unsigned long)found.st_ino, path);
    return result;
}
