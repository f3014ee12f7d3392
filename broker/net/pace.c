/* See pace.h. */
#include "net/pace.h"

#include "base/attr.h"
#include "reactor/clock.h"

uint64_t
pace_take(struct pace *pace, const struct pace_limits *limits, uint64_t now_ns)
{
    uint64_t interval_ns = limits->rate ? NS_PER_S / limits->rate : limits->wait_max_ns;
    uint64_t free_ns = now_ns + limits->window_ns;
    uint64_t due_ns = MAX(pace->due_ns, now_ns) + MIN(interval_ns, limits->wait_max_ns);
    pace->due_ns = MIN(due_ns, free_ns + limits->wait_max_ns);
    return pace->due_ns > free_ns ? pace->due_ns - free_ns : 0;
}
