# What users run: optimized, with symbols, checks stay on.
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
