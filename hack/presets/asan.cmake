# AddressSanitizer and UBSan, by clang: the second compiler that sees every file.
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/common/clang.cmake)
set(FRESHET_SANITIZE address CACHE STRING "" FORCE)
set(FRESHET_TEST_PREFIX asan/ CACHE STRING "" FORCE)
set(FRESHET_TEST_FOLDERS clients CACHE STRING "" FORCE)
