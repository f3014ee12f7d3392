# For a debugger: hardly optimized.
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
set(CMAKE_BUILD_TYPE Debug CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEBUG "-Og -g3" CACHE STRING "" FORCE)
