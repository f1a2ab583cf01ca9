/* A disk that fails, for the tests: a library for LD_PRELOAD.

It counts the calls that reach files below the folder in FAULT_ROOT. The Nth call of the chosen
classes fails, alone or with all that follow. On request it also journals what the calls did, from
which test_power_loss.py rebuilds the disk as a power cut leaves it. The switches lie in the file
FAULT_STATE, which all processes and the test map into memory. What goes through mmap is not seen.
*/
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, NAMES = 4, READ = 8, LOCK = 16, LINK = 32 };

struct state { /* faults.py has the same layout */
  int64_t classes, nth, error, sticky, count, failed;
  char journal[512], what[512];
};

static struct state *state;
static const char *root;
static size_t root_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("FAULT_STATE");
  root = getenv("FAULT_ROOT");
  if (!file || !root || state) return;
  int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR, 0);
  if (fd < 0) return;
  root_length = strlen(root);
  void *map = mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  syscall(SYS_close, fd);
  if (map != MAP_FAILED) state = map;
}

#define REAL(name)                                                                                 \
  static __typeof__(&name) real;                                                                   \
  if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int below(const char *path) {
  return state && !strncmp(path, root, root_length) &&
         (path[root_length] == '/' || !path[root_length]);
}

/* Write the absolute path of a name into a buffer, and return whether it lies below the root. */
static int named(int folder, const char *name, char *path) {
  if (!state || !name) return 0;
  if (name[0] == '/') {
    snprintf(path, PATH_MAX, "%s", name);
    return below(path);
  }
  char link[64], base[PATH_MAX];
  if (folder == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
  else snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t length = readlink(link, base, sizeof base - 1);
  if (length < 0) return 0;
  base[length] = 0;
  if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) return 0;
  return below(path);
}

static int opened(int fd, char *path) {
  if (!state || fd < 0) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return below(path);
}

/* Count a call, and return whether it fails. */
static int fails(int class, const char *call, const char *path) {
  if (!(state->classes & class)) return 0;
  int64_t number = __atomic_add_fetch(&state->count, 1, __ATOMIC_SEQ_CST), nth = state->nth;
  if (!nth || number < nth || (number > nth && !state->sticky)) return 0;
  if (__atomic_add_fetch(&state->failed, 1, __ATOMIC_SEQ_CST) == 1)
    snprintf(state->what, sizeof state->what, "%s %s", call, path);
  errno = state->error;
  return 1;
}

struct record {
  char kind[8];
  int64_t inode, offset, length, path, other;
};

static void journal(const char *kind, int64_t inode, int64_t offset, const char *path,
                    const char *other, const void *data, size_t length) {
  int fd = syscall(SYS_openat, AT_FDCWD, state->journal, O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (fd < 0) return;
  struct record record = {"", inode, offset, length, strlen(path), strlen(other)};
  strncpy(record.kind, kind, sizeof record.kind - 1);
  struct iovec parts[] = {{&record, sizeof record},
                          {(void *)path, record.path},
                          {(void *)other, record.other},
                          {(void *)data, data ? length : 0}};
  syscall(SYS_writev, fd, parts, 4);
  syscall(SYS_close, fd);
}

static int64_t inode_of(int fd) {
  struct stat found;
  return fstat(fd, &found) ? 0 : (int64_t)found.st_ino;
}

static int journaling(void) { return state && state->journal[0]; }

static void journal_fd(const char *kind, int fd, int64_t offset, const char *path, const void *data,
                       size_t length) {
  int before = errno;
  journal(kind, inode_of(fd), offset, path, "", data, length);
  errno = before;
}

static void journal_names(const char *kind, const char *path, const char *other) {
  int before = errno;
  struct stat found;
  const char *now = other[0] ? other : path;
  int64_t inode = lstat(now, &found) ? 0 : (int64_t)found.st_ino;
  journal(kind, inode, 0, path, other, NULL, 0);
  errno = before;
}

static void enter(void) { if (journaling()) pthread_mutex_lock(&lock); }
static void leave(void) { if (journaling()) pthread_mutex_unlock(&lock); }

/* A full disk takes what still fits, before it says that it is full. */
static size_t shortened(size_t length) {
  return state->error == ENOSPC && state->sticky && state->failed == 1 && length > 1 ? length / 2 : 0;
}

static ssize_t wrote(int fd, const char *path, const void *data, ssize_t result, int64_t offset) {
  if (result > 0 && journaling()) {
    if (offset < 0) offset = lseek(fd, 0, SEEK_CUR) - result;
    journal_fd("write", fd, offset, path, data, result);
  }
  return result;
}

ssize_t write(int fd, const void *data, size_t length) {
  REAL(write);
  char path[PATH_MAX];
  if (!opened(fd, path)) return real(fd, data, length);
  if (fails(WRITE, "write", path)) {
    size_t rest = shortened(length);
    return rest ? real(fd, data, rest) : -1;
  }
  enter();
  ssize_t result = wrote(fd, path, data, real(fd, data, length), -1);
  leave();
  return result;
}

#define PWRITE(name, offset_t)                                                                     \
  ssize_t name(int fd, const void *data, size_t length, offset_t offset) {                         \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    if (!opened(fd, path)) return real(fd, data, length, offset);                                  \
    if (fails(WRITE, "pwrite", path)) return -1;                                                   \
    enter();                                                                                       \
    ssize_t result = wrote(fd, path, data, real(fd, data, length, offset), offset);                \
    leave();                                                                                       \
    return result;                                                                                 \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* Write the parts one by one; a caller of writev must expect that less is written. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, int64_t offset) {
  ssize_t total = 0;
  for (int i = 0; i < count; i++) {
    ssize_t done = offset < 0 ? write(fd, parts[i].iov_base, parts[i].iov_len)
                              : pwrite(fd, parts[i].iov_base, parts[i].iov_len, offset + total);
    if (done < 0) return total ? total : -1;
    total += done;
    if ((size_t)done < parts[i].iov_len) break;
  }
  return total;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  char path[PATH_MAX];
  return opened(fd, path) ? write_parts(fd, parts, count, -1) : real(fd, parts, count);
}

#define PWRITEV(name, offset_t)                                                                    \
  ssize_t name(int fd, const struct iovec *parts, int count, offset_t offset) {                    \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    return opened(fd, path) ? write_parts(fd, parts, count, offset) : real(fd, parts, count, offset); \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

/* Callers of these fall back to write. */
#define UNSUPPORTED(name, kind, parameters, arguments, fd)                                         \
  ssize_t name parameters {                                                                        \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    if (!opened(fd, path)) return real arguments;                                                  \
    errno = EINVAL;                                                                                \
    return -1;                                                                                     \
  }
#include <sys/sendfile.h>
UNSUPPORTED(sendfile, , (int to, int from, off_t *at, size_t n), (to, from, at, n), to)
UNSUPPORTED(sendfile64, , (int to, int from, off64_t *at, size_t n), (to, from, at, n), to)
UNSUPPORTED(copy_file_range, , (int from, off64_t *x, int to, off64_t *y, size_t n, unsigned f),
            (from, x, to, y, n, f), to)

#define SYNCED(name)                                                                               \
  int name(int fd) {                                                                               \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    if (!opened(fd, path)) return real(fd);                                                        \
    if (fails(SYNC, #name, path)) return -1;                                                       \
    enter();                                                                                       \
    int result = 0; /* a real one takes long, and the test does not cut the power */               \
    if (journaling()) journal_fd("sync", fd, 0, path, NULL, 0);                                    \
    leave();                                                                                       \
    return result;                                                                                 \
  }
SYNCED(fsync)
SYNCED(fdatasync)

#define TRUNCATED(name, offset_t)                                                                  \
  int name(int fd, offset_t length) {                                                              \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    if (!opened(fd, path)) return real(fd, length);                                                \
    if (fails(WRITE, "ftruncate", path)) return -1;                                                \
    enter();                                                                                       \
    int result = real(fd, length);                                                                 \
    if (!result && journaling()) journal_fd("cut", fd, length, path, NULL, 0);                     \
    leave();                                                                                       \
    return result;                                                                                 \
  }
TRUNCATED(ftruncate, off_t)
TRUNCATED(ftruncate64, off64_t)

#define ALLOCATED(name, offset_t, first, start)                                                    \
  int name first {                                                                                 \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    if (!opened(fd, path)) return real start;                                                      \
    if (fails(WRITE, #name, path)) return -1;                                                      \
    errno = EOPNOTSUPP; /* the caller writes zeros */                                              \
    return -1;                                                                                     \
  }
ALLOCATED(fallocate, off_t, (int fd, int mode, off_t from, off_t length), (fd, mode, from, length))
ALLOCATED(fallocate64, off64_t, (int fd, int mode, off64_t from, off64_t length),
          (fd, mode, from, length))

#define PREALLOCATED(name, offset_t)                                                               \
  int name(int fd, offset_t from, offset_t length) {                                               \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    if (!opened(fd, path)) return real(fd, from, length);                                          \
    if (fails(WRITE, #name, path)) return errno;                                                   \
    struct stat found;                                                                             \
    if (!fstat(fd, &found) && found.st_size < from + length && ftruncate(fd, from + length))       \
      return errno;                                                                                \
    return 0;                                                                                      \
  }
PREALLOCATED(posix_fallocate, off_t)
PREALLOCATED(posix_fallocate64, off64_t)

/* Opening: a new name is a change of names, reading is reading. */
static int open_any(int folder, const char *name, int flags, mode_t mode, const char *call) {
  char path[PATH_MAX];
  if (!named(folder, name, path)) return syscall(SYS_openat, folder, name, flags, mode);
  struct stat found;
  int isnew = (flags & O_CREAT) && stat(path, &found);
  int class = isnew ? NAMES : (flags & O_TRUNC) ? WRITE : (flags & O_ACCMODE) == O_RDONLY ? READ : 0;
  if ((flags & O_TMPFILE) == O_TMPFILE) class = WRITE;
  if (class && fails(class, call, path)) return -1;
  enter();
  int fd = syscall(SYS_openat, folder, name, flags, mode);
  if (fd >= 0 && journaling() && isnew) journal_names("create", path, "");
  if (fd >= 0 && journaling() && !isnew && (flags & O_TRUNC)) journal_fd("cut", fd, 0, path, NULL, 0);
  leave();
  return fd;
}

#define OPEN(name, parameters, folder, bits)                                                       \
  int name parameters {                                                                            \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
      va_list rest;                                                                                \
      va_start(rest, flags);                                                                       \
      mode = va_arg(rest, mode_t);                                                                 \
      va_end(rest);                                                                                \
    }                                                                                              \
    return open_any(folder, path, flags | bits, mode, #name);                                      \
  }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD, 0)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, O_LARGEFILE)
OPEN(openat, (int folder, const char *path, int flags, ...), folder, 0)
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, O_LARGEFILE)

int creat(const char *path, mode_t mode) {
  return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode, "creat");
}

/* Streams of C call write inside glibc, where no library can see it. */
static FILE *fopen_any(const char *name, const char *mode) {
  static __typeof__(&fopen) real;
  if (!real) real = (__typeof__(&fopen))dlsym(RTLD_NEXT, "fopen64");
  char path[PATH_MAX];
  if (!named(AT_FDCWD, name, path)) return real(name, mode);
  struct stat found;
  int isnew = mode[0] != 'r' && stat(path, &found);
  int class = isnew ? NAMES : mode[0] == 'r' && !strchr(mode, '+') ? READ : WRITE;
  if (fails(class, "fopen", path)) return NULL;
  enter();
  FILE *file = real(name, mode);
  if (file && journaling() && isnew) journal_names("create", path, "");
  if (file && journaling() && !isnew && mode[0] == 'w')
    journal_fd("cut", fileno(file), 0, path, NULL, 0);
  leave();
  return file;
}
FILE *fopen(const char *name, const char *mode) { return fopen_any(name, mode); }
FILE *fopen64(const char *name, const char *mode) { return fopen_any(name, mode); }

size_t fwrite(const void *data, size_t size, size_t count, FILE *file) {
  REAL(fwrite);
  char path[PATH_MAX];
  if (!opened(fileno(file), path)) return real(data, size, count, file);
  if (fails(WRITE, "fwrite", path)) return 0;
  enter();
  off_t offset = ftello(file);
  size_t done = real(data, size, count, file);
  if (journaling()) journal_fd("write", fileno(file), offset, path, data, done * size);
  leave();
  return done;
}

int fclose(FILE *file) {
  REAL(fclose);
  char path[PATH_MAX];
  int failed = (fcntl(fileno(file), F_GETFL) & O_ACCMODE) != O_RDONLY && opened(fileno(file), path) &&
               fails(WRITE, "fclose", path), error = errno, result = real(file);
  if (failed) errno = error;
  return failed ? EOF : result;
}

/* Names. */
#define NAMED(class, kind, call, first, folder)                                                    \
  char path[PATH_MAX];                                                                             \
  if (!named(folder, first, path)) return real call;                                               \
  if (class && fails(class, kind, path)) return -1;                                                \
  enter();                                                                                         \
  struct stat gone;                                                                                \
  int64_t inode = lstat(path, &gone) ? 0 : (int64_t)gone.st_ino;                                   \
  int result = real call;                                                                          \
  if (!result && journaling()) {                                                                   \
    if (inode) journal(kind, inode, 0, path, "", NULL, 0);                                         \
    else journal_names(kind, path, "");                                                            \
  }                                                                                                \
  leave();                                                                                         \
  return result;

int mkdir(const char *name, mode_t mode) {
  REAL(mkdir);
  NAMED(NAMES, "mkdir", (name, mode), name, AT_FDCWD)
}
int mkdirat(int folder, const char *name, mode_t mode) {
  REAL(mkdirat);
  NAMED(NAMES, "mkdir", (folder, name, mode), name, folder)
}
int unlink(const char *name) {
  REAL(unlink);
  NAMED(0, "unlink", (name), name, AT_FDCWD)
}
int unlinkat(int folder, const char *name, int flags) {
  REAL(unlinkat);
  NAMED(0, "unlink", (folder, name, flags), name, folder)
}
int rmdir(const char *name) {
  REAL(rmdir);
  NAMED(0, "unlink", (name), name, AT_FDCWD)
}
int remove(const char *name) {
  REAL(remove);
  NAMED(0, "unlink", (name), name, AT_FDCWD)
}

#define MOVED(class, kind, call, from_folder, from, to_folder, to)                                 \
  char path[PATH_MAX], other[PATH_MAX];                                                            \
  if (!named(from_folder, from, path) & !named(to_folder, to, other)) return real call;            \
  if (fails(class, kind, other)) return -1;                                                        \
  enter();                                                                                         \
  int result = real call;                                                                          \
  if (!result && journaling()) journal_names(kind, path, other);                                   \
  leave();                                                                                         \
  return result;

int rename(const char *from, const char *to) {
  REAL(rename);
  MOVED(NAMES, "rename", (from, to), AT_FDCWD, from, AT_FDCWD, to)
}
int renameat(int a, const char *from, int b, const char *to) {
  REAL(renameat);
  MOVED(NAMES, "rename", (a, from, b, to), a, from, b, to)
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  REAL(renameat2);
  MOVED(NAMES, "rename", (a, from, b, to, flags), a, from, b, to)
}
int link(const char *from, const char *to) {
  REAL(link);
  MOVED(NAMES | LINK, "link", (from, to), AT_FDCWD, from, AT_FDCWD, to)
}
int linkat(int a, const char *from, int b, const char *to, int flags) {
  REAL(linkat);
  MOVED(NAMES | LINK, "link", (a, from, b, to, flags), a, from, b, to)
}

/* Reading. */
ssize_t read(int fd, void *data, size_t length) {
  REAL(read);
  char path[PATH_MAX];
  return state && (state->classes & READ) && opened(fd, path) && fails(READ, "read", path)
             ? -1 : real(fd, data, length);
}
#define PREAD(name, offset_t)                                                                      \
  ssize_t name(int fd, void *data, size_t length, offset_t offset) {                               \
    REAL(name);                                                                                    \
    char path[PATH_MAX];                                                                           \
    return state && (state->classes & READ) && opened(fd, path) && fails(READ, "pread", path)      \
               ? -1 : real(fd, data, length, offset);                                              \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

/* Locks. */
int flock(int fd, int how) {
  REAL(flock);
  char path[PATH_MAX];
  return opened(fd, path) && fails(LOCK, "flock", path) ? -1 : real(fd, how);
}

static int control(int fd, int command, void *argument, __typeof__(&fcntl) real) {
  char path[PATH_MAX];
  int locks = command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK;
  if (locks && opened(fd, path) && fails(LOCK, "lock", path)) return -1;
  return real(fd, command, argument);
}
#define FCNTL(name)                                                                                \
  int name(int fd, int command, ...) {                                                             \
    REAL(name);                                                                                    \
    va_list rest;                                                                                  \
    va_start(rest, command);                                                                       \
    void *argument = va_arg(rest, void *);                                                         \
    va_end(rest);                                                                                  \
    return control(fd, command, argument, real);                                                   \
  }
FCNTL(fcntl)
FCNTL(fcntl64)
