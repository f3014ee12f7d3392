# Turns wire/schemas/*.schema into C with a small program of our own, built first. Included before freshet_room(wire);
# wire_add_messages(target) adds the result to it.
set(wire_directory ${CMAKE_CURRENT_LIST_DIR})
file(GLOB wire_schemas CONFIGURE_DEPENDS ${wire_directory}/schemas/*.schema)
file(GLOB wire_generator_sources CONFIGURE_DEPENDS ${wire_directory}/generate/*.c)
set(wire_output ${CMAKE_CURRENT_BINARY_DIR}/wire-generated)
file(MAKE_DIRECTORY ${wire_output}/wire/messages)

add_executable(wire_generate ${wire_generator_sources})
target_include_directories(wire_generate PRIVATE ${wire_directory})
target_link_libraries(wire_generate PRIVATE room_base freshet_flags)

set(wire_messages ${wire_output}/wire/messages/apis.c)
set(wire_headers ${wire_output}/wire/messages/apis.h)
foreach(schema ${wire_schemas})
  get_filename_component(name ${schema} NAME_WE)
  string(REGEX REPLACE "^[0-9]+_" "" name ${name})
  list(APPEND wire_messages ${wire_output}/wire/messages/${name}.c)
  list(APPEND wire_headers ${wire_output}/wire/messages/${name}.h)
endforeach()
# The stamp, because files that did not change keep their old time.
add_custom_command(
  OUTPUT ${wire_output}/stamp
  BYPRODUCTS ${wire_messages} ${wire_headers}
  COMMAND wire_generate ${wire_output}/wire/messages ${wire_schemas}
  COMMAND ${CMAKE_COMMAND} -E touch ${wire_output}/stamp
  DEPENDS wire_generate ${wire_schemas}
  COMMENT "Generating the Kafka messages"
  VERBATIM)
add_custom_target(wire_generated DEPENDS ${wire_output}/stamp)

function(wire_add_messages target)
  set_source_files_properties(${wire_messages} ${wire_headers} PROPERTIES GENERATED TRUE)
  target_sources(${target} PRIVATE ${wire_messages})
  target_include_directories(${target} PUBLIC ${wire_output})
  add_dependencies(${target} wire_generated)
endfunction()
