/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mailbox is a locked list and an eventfd. Posters append; the first mail after the list was empty writes to the
 * eventfd. The owner takes the whole list with one lock, delivers up to its budget, and where mails are left wakes
 * itself again, so that sockets and timers get their turn in between.
 */
#include "router/mailbox.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "router/xalloc.h"

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **last; /* posted, under the lock */
    struct mail *taken;         /* taken and not yet delivered: the owner's */
    struct event *event;
    int fd;
};

static struct mail *take_all(struct mailbox *b)
{
    pthread_mutex_lock(&b->lock);
    struct mail *mails = b->first;
    b->first = NULL;
    b->last = &b->first;
    pthread_mutex_unlock(&b->lock);
    return mails;
}

static void wake_cb(evutil_socket_t fd, short what, void *context)
{
    struct mailbox *b = context;
    uint64_t count;

    (void)!read(fd, &count, sizeof count);
    for (int budget = MAILBOX_BUDGET; budget > 0; budget--) {
        if (!b->taken && !(b->taken = take_all(b)))
            return;
        struct mail *mail = b->taken;
        b->taken = mail->next;
        mail->deliver(mail); /* may free the mail */
    }
    count = 1;
    (void)!write(fd, &count, sizeof count); /* not event_active(): that would go before sockets and timers */
}

struct mailbox *mailbox_create(struct event_base *base)
{
    struct mailbox *b = xalloc(sizeof *b);

    pthread_mutex_init(&b->lock, NULL);
    b->last = &b->first;
    b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    b->event = b->fd < 0 ? NULL : event_new(base, b->fd, EV_READ | EV_PERSIST, wake_cb, b);
    if (!b->event || event_add(b->event, NULL) != 0)
        xfail("cannot make a mailbox (file descriptors)");
    return b;
}

void mailbox_destroy(struct mailbox *b)
{
    if (!b)
        return;
    event_free(b->event);
    close(b->fd);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

void mailbox_post(struct mailbox *b, struct mail *m)
{
    m->next = NULL;
    pthread_mutex_lock(&b->lock);
    bool was_empty = !b->first;
    *b->last = m;
    b->last = &m->next;
    if (was_empty) {
        uint64_t one = 1;
        (void)!write(b->fd, &one, sizeof one);
    }
    pthread_mutex_unlock(&b->lock);
}
