# Tests that are scripts: how the tree is written, programs in namespaces, and virtual machines.
# They exit 77 when the machine cannot run them, and say why. Sanitized builds do not repeat them
# by themselves: `tests/netns/run build/asan` does.
if(VIREO_SANITIZE)
  return()
endif()

function(vireo_script_test name)
  cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "COMMAND" ${ARGN})
  add_test(NAME ${name} COMMAND ${ARG_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT}
                       SKIP_RETURN_CODE 77)
endfunction()

set(lint ${CMAKE_SOURCE_DIR}/tests/lint)
vireo_script_test(lint/format LABEL lint TIMEOUT 60 COMMAND ${lint}/format)
vireo_script_test(lint/includes LABEL lint TIMEOUT 60 COMMAND ${lint}/includes)
vireo_script_test(lint/includes_self_test LABEL lint TIMEOUT 60
                  COMMAND ${lint}/includes --self-test)
vireo_script_test(lint/no_paths LABEL lint TIMEOUT 60 COMMAND ${lint}/no-paths)

foreach(kind netns vm)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${kind}/*_test.sh)
  foreach(script ${scripts})
    get_filename_component(name ${script} NAME_WE)
    string(REGEX REPLACE "_test$" "" name ${name})
    vireo_script_test(${kind}/${name} LABEL ${kind} TIMEOUT 240
                      COMMAND ${script} ${CMAKE_BINARY_DIR})
  endforeach()
endforeach()

# The longest starts first, so that it runs beside all the others. Tests that change the machine's
# huge pages take turns.
set_tests_properties(netns/rekey PROPERTIES COST 1000 LABELS "netns;long" TIMEOUT 2400)
set_tests_properties(netns/path_mtu PROPERTIES COST 900 TIMEOUT 480)
set_tests_properties(vm/migration PROPERTIES COST 800 TIMEOUT 600)
set_tests_properties(netns/af_xdp_hugepages PROPERTIES RESOURCE_LOCK hugepages)
# Takes both cores, and would make others lose packets.
set_tests_properties(netns/flood PROPERTIES RUN_SERIAL ON)

# Runs in guests, which have no shared libraries.
add_executable(guest_sequence ${CMAKE_SOURCE_DIR}/tests/vm/guest_sequence.cc)
target_link_libraries(guest_sequence PRIVATE vireo_settings -static)
