# Compiler settings shared by all targets, and one function to declare a component.

add_library(vireo_settings INTERFACE)
# x86-64-v2 is what DPDK's headers need; faster code paths are chosen at run time.
target_compile_definitions(vireo_settings INTERFACE VIREO_VERSION="${PROJECT_VERSION}")
target_compile_options(vireo_settings INTERFACE -march=x86-64-v2 -mtune=generic -Wall -Wextra
                       -Werror -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers -fno-omit-frame-pointer)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False alarms of g++ 12 on std::string (GCC bug 105651).
  target_compile_options(vireo_settings INTERFACE -Wno-restrict)
endif()
if(VIREO_SANITIZE)
  target_compile_options(vireo_settings INTERFACE -fsanitize=${VIREO_SANITIZE})
  target_link_options(vireo_settings INTERFACE -fsanitize=${VIREO_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code makes g++ 12 see uninitialized members in std::regex (GCC bug 105562).
    # Asio and the doorbell use fences, which the thread sanitizer does not model.
    target_compile_options(vireo_settings INTERFACE -Wno-maybe-uninitialized -Wno-tsan)
  endif()
  if(VIREO_SANITIZE MATCHES undefined)
    target_compile_options(vireo_settings INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()
if(VIREO_FUZZ)
  target_compile_options(vireo_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What many files of a component read and instantiate is most of a cold build: as few large files
# vireo_slow compiles in 93 s of processor time instead of 212, vireo_stage in 14 instead of 71. But
# each change builds more, so only where no compiler cache (CMAKE_CXX_COMPILER_LAUNCHER) does better.
set(unity ON)
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(unity OFF)
endif()
option(VIREO_UNITY "Compile the largest components in groups of files" ${unity})

# For targets with many files; names in their unnamed namespaces must differ within the target.
function(vireo_group_sources target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${VIREO_UNITY} UNITY_BUILD_BATCH_SIZE 8)
endfunction()

# vireo_component(NAME DEPENDS a b ...): a static library of all *.cc in the calling folder.
# What it may include is what it depends on; tests/lint/includes checks the same by name.
function(vireo_component name)
  cmake_parse_arguments(ARG "" "" "DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC vireo_settings ${ARG_DEPENDS})
endfunction()
