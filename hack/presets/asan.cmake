# AddressSanitizer and UBSan, by clang: the second compiler that sees every file.
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
set(CMAKE_C_COMPILER clang-19 CACHE STRING "" FORCE)
set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g" CACHE STRING "" FORCE)
set(FRESHET_SANITIZE address CACHE STRING "" FORCE)
set(FRESHET_TEST_PREFIX asan/ CACHE STRING "" FORCE)
set(FRESHET_TEST_FOLDERS none CACHE STRING "" FORCE)
