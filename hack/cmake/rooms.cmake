# One static library per room. A room links only the rooms named in its DEPS, so a forbidden call does not link;
# hack/check-rooms refuses the include as well.
function(freshet_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.S)
  if(NOT sources)
    add_library(room_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(room_${name} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(room_${name} PRIVATE freshet_flags)
  endif()
  target_include_directories(room_${name} ${scope} ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(dep ${ROOM_DEPS})
    target_link_libraries(room_${name} ${scope} room_${dep})
  endforeach()
  target_link_libraries(room_${name} ${scope} ${ROOM_LIBS})
endfunction()

# Goes before the names of tests, so that one run of ctest can hold the tests of several builds.
set(FRESHET_TEST_PREFIX "" CACHE STRING "prefix of test names, for example asan/")
# Which folders of tests/ a build has besides the unit tests: sanitizer builds have none, the fuzz build has fuzz only.
set(FRESHET_TEST_FOLDERS all CACHE STRING "all, or a list of folders of tests/")

# Which rooms' unit tests a build has. All of those that it has are the target unit_tests.
set(FRESHET_UNIT_ROOMS "" CACHE STRING "empty: all rooms")
set(FRESHET_UNIT_SKIP "" CACHE STRING "regular expression: names of test programs that the build does without")
add_custom_target(unit_tests)

# tests/unit/<house>/<room>/*_test.c: one program and one ctest each, so that a crash of one does not hide another. HOUSE is broker
# where nothing else is said.
function(freshet_unit_tests room)
  cmake_parse_arguments(UNIT "" "HOUSE" "DEPS;LIBS" ${ARGN})
  if(NOT UNIT_HOUSE)
    set(UNIT_HOUSE broker)
  endif()
  if(FRESHET_FUZZ OR (FRESHET_UNIT_ROOMS AND NOT room IN_LIST FRESHET_UNIT_ROOMS))
    return()
  endif()
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/unit/${UNIT_HOUSE}/${room}/*_test.c)
  file(GLOB helpers CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/unit/${UNIT_HOUSE}/${room}/support_*.c)
  foreach(source ${tests})
    get_filename_component(base ${source} NAME_WE)
    set(target unit_${room}_${base})
    if(FRESHET_UNIT_SKIP AND base MATCHES "${FRESHET_UNIT_SKIP}")
      continue()
    endif()
    # Test data on the stack is fine; what the rooms put there is measured in the rooms.
    set_source_files_properties(${source} ${helpers} PROPERTIES COMPILE_OPTIONS -Wno-frame-larger-than)
    add_executable(${target} ${source} ${helpers})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(${target} PRIVATE unit_harness room_${room} ${UNIT_DEPS} ${UNIT_LIBS} freshet_flags)
    add_dependencies(unit_tests ${target})
    add_test(NAME ${FRESHET_TEST_PREFIX}unit/${room}/${base} COMMAND ${target})
    # Sanitizers must let malloc fail and a guard page kill: tests look at both.
    set_tests_properties(${FRESHET_TEST_PREFIX}unit/${room}/${base} PROPERTIES TIMEOUT 120 LABELS unit
      ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1:handle_segv=0;TSAN_OPTIONS=allocator_may_return_null=1:handle_segv=0;FRESHET_SOURCE=${CMAKE_SOURCE_DIR}")
  endforeach()
endfunction()
