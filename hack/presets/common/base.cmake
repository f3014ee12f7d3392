# What all presets share.
find_program(ccache ccache)
if(ccache)
  set(CMAKE_C_COMPILER_LAUNCHER ${ccache} CACHE STRING "")
endif()
