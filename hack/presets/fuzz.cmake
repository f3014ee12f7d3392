# libFuzzer targets (tests/fuzz) with AddressSanitizer and UBSan.
include(${CMAKE_CURRENT_LIST_DIR}/common/base.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/common/clang.cmake)
set(FRESHET_FUZZ ON CACHE BOOL "" FORCE)
set(FRESHET_TEST_PREFIX fuzz/ CACHE STRING "" FORCE)
set(FRESHET_TEST_FOLDERS fuzz CACHE STRING "" FORCE)
