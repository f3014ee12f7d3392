# ThreadSanitizer, by clang (the runtime of gcc 12 refuses recent address space layouts).
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
set(CMAKE_C_COMPILER clang-19 CACHE STRING "" FORCE)
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g" CACHE STRING "" FORCE)
set(FRESHET_SANITIZE thread CACHE STRING "" FORCE)
set(FRESHET_TEST_PREFIX tsan/ CACHE STRING "" FORCE)
set(FRESHET_TEST_FOLDERS none CACHE STRING "" FORCE)
