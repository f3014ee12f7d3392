# ThreadSanitizer, by clang (the runtime of gcc 12 refuses recent address space layouts).
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/common/clang.cmake)
set(FRESHET_SANITIZE thread CACHE STRING "" FORCE)
set(FRESHET_TEST_PREFIX tsan/ CACHE STRING "" FORCE)
set(FRESHET_TEST_FOLDERS none CACHE STRING "" FORCE)
# Where threads meet: reactors and their mailboxes, the pool for disk, the thread of libcurl. All above is fibers of one thread.
set(FRESHET_UNIT_ROOMS reactor objectstore wal CACHE STRING "" FORCE)
# The simulator is one thread.
set(FRESHET_UNIT_SKIP "^sim_" CACHE STRING "" FORCE)
