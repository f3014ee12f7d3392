/* The story behind an error. */
#include "base/fault.h"
#include "base/mark.h"
#include "unit/test.h"

#include <errno.h>

TEST(a_story_is_told_newest_first)
{
    int r = fault(-EIO, "disk: %s", "broken");
    ASSERT_EQ(r, -EIO);
    r = fault_note(-ENOENT, "while opening %d", 7);
    ASSERT_EQ(r, -ENOENT);
    ASSERT(strncmp(fault_text(), "while opening 7: disk: broken (fault_test.c:", 44) == 0);
    fault_clear();
    ASSERT_STRING(fault_text(), "");
    ASSERT_EQ(fault_note(-EIO, "alone"), -EIO);
    ASSERT_STRING(fault_text(), "alone");
    fault_clear();
}

TEST(a_new_story_replaces_the_old_one)
{
    ASSERT_EQ(fault(-EIO, "first"), -EIO);
    ASSERT_EQ(fault(-EINVAL, "second"), -EINVAL);
    ASSERT(!strstr(fault_text(), "first"));
    fault_clear();
}

TEST(long_stories_are_cut)
{
    static char text[2000];
    memset(text, 'x', sizeof text - 1);
    ASSERT_EQ(fault(-EIO, "%s", text), -EIO);
    ASSERT_EQ(strlen(fault_text()), sizeof((struct fault *)0)->text - 1);
    for (int i = 0; i < 100; i++) {
        ASSERT_EQ(fault_note(-EIO, "note %d", i), -EIO);
    }
    ASSERT(strncmp(fault_text(), "note 99: note 98: ", 18) == 0);
    fault_clear();
}

TEST(each_owner_has_its_own_story)
{
    struct fault other = { 0 };
    ASSERT_EQ(fault(-EIO, "mine"), -EIO);
    struct fault *before = fault_swap(&other);
    ASSERT_STRING(fault_text(), "");
    ASSERT_EQ(fault(-EINVAL, "theirs"), -EINVAL);
    ASSERT(fault_swap(before) == &other);
    ASSERT(strstr(fault_text(), "mine"));
    ASSERT_EQ(other.error, -EINVAL);
    fault_clear();
}

TEST(marks_count_by_name)
{
    uint64_t before = mark_count("test: here");
    for (int i = 0; i < 3; i++) {
        MARK("test: here");
    }
    MARK("test: here");
    ASSERT_EQ(mark_count("test: here"), before + 4);
    ASSERT_EQ(mark_count("test: never"), 0);
}
