# Tests of the whole program: with mpirun on a tiny model, and of its file from Python.
find_program(PYTHON_OF_DEBIAN python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(PYTHON_OF_DEBIAN AND TARGET brinkmap)
  foreach(test sweep/Ranks sweep/Kinds sweep/Kills sweep/Broken sweep/Commands experiments/Study experiments/Hybrids)
    string(REPLACE / ";" test ${test})
    list(GET test 0 file)
    list(GET test 1 class)
    add_test(NAME ${file}_${class} COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_${file}.py
             $<TARGET_FILE:brinkmap> ${class})
    # They run several ranks themselves and time out on silence: not beside other tests.
    set_tests_properties(${file}_${class} PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
  endforeach()
  add_test(NAME search COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_search.py
           $<TARGET_FILE:brinkmap>)
  set_tests_properties(search PROPERTIES TIMEOUT 600 RUN_SERIAL ON)
  add_test(NAME result_file COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_result_file.py
           $<TARGET_FILE:brinkmap>)
  set_tests_properties(result_file PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
  add_test(NAME gate_file COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_gate_file.py
           $<TARGET_FILE:brinkmap>)
  add_test(NAME judges COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_judges.py $<TARGET_FILE:brinkmap>)
  set_tests_properties(judges PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 RUN_SERIAL ON)
  add_test(NAME shipped_jobs COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_shipped_jobs.py
           $<TARGET_FILE:brinkmap>)
  add_test(NAME report_page COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_report_page.py
           $<TARGET_FILE:brinkmap> Contents)
  # In a real browser: skipped, with the reason, where chromium or chromium-driver is not installed.
  add_test(NAME report_page_in_browser COMMAND ${PYTHON_OF_DEBIAN} ${CMAKE_CURRENT_LIST_DIR}/test_report_page.py
           $<TARGET_FILE:brinkmap> InTheBrowser)
  set_tests_properties(gate_file report_page report_page_in_browser PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
