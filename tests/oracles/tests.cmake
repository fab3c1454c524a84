# Comparisons with other programs: every test_*.py here is called with the program's path and skips itself
# (exit 77) where its packages are missing. BRINKMAP_ORACLE_PYTHON: an interpreter that has them.
find_program(BRINKMAP_ORACLE_PYTHON python3)
add_executable(encode_groups ${CMAKE_CURRENT_LIST_DIR}/encode_groups.cpp)
target_link_libraries(encode_groups PRIVATE brinkmap_kernels)
if(BRINKMAP_ORACLE_PYTHON AND TARGET brinkmap)
  file(GLOB oracles CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/test_*.py)
  foreach(oracle ${oracles})
    get_filename_component(name ${oracle} NAME_WE)
    add_test(NAME oracle_${name} COMMAND ${BRINKMAP_ORACLE_PYTHON} ${oracle} $<TARGET_FILE:brinkmap>)
    set_tests_properties(oracle_${name} PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77
                         ENVIRONMENT BRINKMAP_ENCODE_GROUPS=$<TARGET_FILE:encode_groups>)
  endforeach()
endif()
