/* A V4L2 camera where there is none: preloaded, it answers for one path what a driver would.
 *
 *   FAKE_CAMERA         the path
 *   FAKE_CAMERA_FRAMES  so many pictures, then it is pulled out
 *   FAKE_CAMERA_BUSY    another program streams from it
 *
 * YUYV, 64 high, 96 wide, 25 a second, each a little brighter than the last.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { HEIGHT = 64, WIDTH = 96, SIZE = HEIGHT * WIDTH * 2, PLACE = 16384, BUFFERS = 4, STEP_NS = 40000000 };

static int camera = -1;
static unsigned char *memory;
static int queued[BUFFERS], waiting, shown;

static int refuse(int number)
{
    errno = number;
    return -1;
}

static int opened(const char *path)
{
    const char *wanted = getenv("FAKE_CAMERA");
    if (!wanted || strcmp(path, wanted))
        return 0;
    camera = memfd_create("camera", 0);
    if (ftruncate(camera, BUFFERS * PLACE))
        return 0;
    memory = mmap(NULL, BUFFERS * PLACE, PROT_READ | PROT_WRITE, MAP_SHARED, camera, 0);
    return 1;
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    static int (*real)(const char *, int, ...);
    if (!real)
        real = dlsym(RTLD_NEXT, "open");
    return opened(path) ? camera : real(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = va_arg(more, int);
    va_end(more);
    static int (*real)(const char *, int, ...);
    if (!real)
        real = dlsym(RTLD_NEXT, "open64");
    return opened(path) ? camera : real(path, flags, mode);
}

static int take(struct v4l2_buffer *buffer)
{
    const char *most = getenv("FAKE_CAMERA_FRAMES");
    struct timespec pause = {0, STEP_NS}, now;
    nanosleep(&pause, NULL);
    if (!waiting || (most && shown >= atoi(most)))
        return refuse(ENODEV);
    int index = queued[0];
    memmove(queued, queued + 1, --waiting * sizeof *queued);
    for (int at = 0; at < SIZE; at += 2) {
        memory[index * PLACE + at] = 40 + 4 * (shown % 40);
        memory[index * PLACE + at + 1] = 128;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    buffer->index = index;
    buffer->bytesused = SIZE;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->sequence = shown++;
    buffer->timestamp.tv_sec = now.tv_sec;
    buffer->timestamp.tv_usec = now.tv_nsec / 1000;
    return 0;
}

static int answer(unsigned long request, void *said)
{
    if (request == VIDIOC_QUERYCAP) {
        struct v4l2_capability *able = said;
        strcpy((char *)able->card, "A camera");
        able->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        if (getenv("FAKE_CAMERA_METADATA")) {
            able->capabilities |= V4L2_CAP_DEVICE_CAPS;
            able->device_caps = V4L2_CAP_META_CAPTURE;
        }
        return 0;
    }
    if (request == VIDIOC_ENUM_FMT) {
        struct v4l2_fmtdesc *kind = said;
        if (kind->index > 1)
            return refuse(EINVAL);
        kind->pixelformat = kind->index ? V4L2_PIX_FMT_MJPEG : V4L2_PIX_FMT_YUYV;
        return 0;
    }
    if (request == VIDIOC_ENUM_FRAMESIZES) {
        struct v4l2_frmsizeenum *size = said;
        if (size->index)
            return refuse(EINVAL);
        size->type = V4L2_FRMSIZE_TYPE_DISCRETE;
        size->discrete.height = HEIGHT;
        size->discrete.width = WIDTH;
        if (size->pixel_format == V4L2_PIX_FMT_MJPEG) {
            size->type = V4L2_FRMSIZE_TYPE_STEPWISE;
            size->stepwise = (struct v4l2_frmsize_stepwise){32, 1920, 2, 16, 1080, 2};
        }
        return 0;
    }
    if (request == VIDIOC_ENUM_FRAMEINTERVALS) {
        struct v4l2_frmivalenum *pace = said;
        if (pace->index > 1)
            return refuse(EINVAL);
        pace->type = V4L2_FRMIVAL_TYPE_DISCRETE;
        pace->discrete.numerator = 1;
        pace->discrete.denominator = pace->index ? 30 : 25;
        return 0;
    }
    if (request == VIDIOC_G_INPUT) {
        *(int *)said = 0;
        return 0;
    }
    if (request == VIDIOC_ENUMINPUT)
        return ((struct v4l2_input *)said)->index ? refuse(EINVAL) : 0;
    if (request == VIDIOC_S_FMT || request == VIDIOC_G_FMT) {
        struct v4l2_pix_format *pixels = &((struct v4l2_format *)said)->fmt.pix;
        if (request == VIDIOC_S_FMT && getenv("FAKE_CAMERA_BUSY"))
            return refuse(EBUSY);
        pixels->height = HEIGHT;
        pixels->width = WIDTH;
        pixels->pixelformat = V4L2_PIX_FMT_YUYV;
        pixels->field = V4L2_FIELD_NONE;
        pixels->bytesperline = 2 * WIDTH;
        pixels->sizeimage = SIZE;
        return 0;
    }
    if (request == VIDIOC_G_PARM || request == VIDIOC_S_PARM) {
        struct v4l2_captureparm *pace = &((struct v4l2_streamparm *)said)->parm.capture;
        pace->capability = V4L2_CAP_TIMEPERFRAME;
        pace->timeperframe.numerator = 1;
        pace->timeperframe.denominator = 25;
        return 0;
    }
    if (request == VIDIOC_REQBUFS) {
        ((struct v4l2_requestbuffers *)said)->count = BUFFERS;
        return 0;
    }
    struct v4l2_buffer *buffer = said;
    if (request == VIDIOC_QUERYBUF) {
        buffer->length = SIZE;
        buffer->m.offset = buffer->index * PLACE;
        return 0;
    }
    if (request == VIDIOC_QBUF) {
        queued[waiting++] = buffer->index;
        return 0;
    }
    if (request == VIDIOC_DQBUF)
        return take(buffer);
    return request == VIDIOC_STREAMON || request == VIDIOC_STREAMOFF ? 0 : refuse(ENOTTY);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list more;
    va_start(more, request);
    void *said = va_arg(more, void *);
    va_end(more);
    static int (*real)(int, unsigned long, ...);
    if (!real)
        real = dlsym(RTLD_NEXT, "ioctl");
    return fd >= 0 && fd == camera ? answer(request & 0xffffffff, said) : real(fd, request, said);
}
