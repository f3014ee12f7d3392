# Warnings and hardening for our own code. docs/style.md says why each is there.
add_library(freshet_flags INTERFACE)
set(common_warnings
  -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wundef -Wvla -Walloca
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wredundant-decls -Wpointer-arith
  -Wcast-qual -Wwrite-strings -Wformat=2 -Wdouble-promotion -Wswitch-enum
  -Wdate-time -Wno-missing-field-initializers)
set(gcc_warnings
  -Wcast-align=strict -Wformat-signedness -Wduplicated-cond -Wduplicated-branches -Wlogical-op
  -Wimplicit-fallthrough=5 -Wjump-misses-init)
target_compile_options(freshet_flags INTERFACE ${common_warnings}
  -fno-omit-frame-pointer -fstack-clash-protection -fstack-protector-strong -fno-common
  $<$<C_COMPILER_ID:GNU>:${gcc_warnings}>
  $<$<BOOL:${FRESHET_WERROR}>:-Werror>)
target_compile_definitions(freshet_flags INTERFACE _GNU_SOURCE)
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT FRESHET_SANITIZE AND NOT FRESHET_FUZZ)
  target_compile_definitions(freshet_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(FRESHET_SANITIZE STREQUAL "address")
  set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(FRESHET_SANITIZE STREQUAL "thread")
  set(sanitize -fsanitize=thread)
endif()
if(FRESHET_FUZZ)
  list(APPEND sanitize -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
endif()
if(sanitize)
  target_compile_options(freshet_flags INTERFACE ${sanitize})
  target_link_options(freshet_flags INTERFACE ${sanitize})
endif()
if(NOT FRESHET_SANITIZE AND NOT FRESHET_FUZZ)
  target_compile_options(freshet_flags INTERFACE -Wframe-larger-than=4096)
endif()
