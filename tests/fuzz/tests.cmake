# libFuzzer over the readers of models, templates, prompt sets and tables: `cmake --preset fuzz && cmake --build --preset
# fuzz --target gguf_fuzz safetensors_fuzz chat_template_fuzz import_fuzz analyze_fuzz`, then ctest runs a short round from the committed
# files, and `gguf_fuzz -max_total_time=600 CORPUS` a long one. The readers' sources are compiled again so that they carry
# libFuzzer's coverage counters.
if(BRINKMAP_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "BRINKMAP_FUZZ needs Clang: use the preset fuzz")
  endif()
  file(GLOB fuzzed CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/worker/*.cpp)
  set(seeds_gguf ${CMAKE_CURRENT_SOURCE_DIR}/data/broken ${CMAKE_CURRENT_SOURCE_DIR}/data/gguf)
  set(seeds_safetensors ${CMAKE_CURRENT_SOURCE_DIR}/data/safetensors)
  set(seeds_chat_template ${CMAKE_CURRENT_SOURCE_DIR}/data/templates)
  set(seeds_import ${CMAKE_CURRENT_SOURCE_DIR}/data/prompt_sets)
  add_library(fuzzed OBJECT ${fuzzed})
  target_compile_options(fuzzed PRIVATE -fsanitize=fuzzer-no-link)
  target_link_libraries(fuzzed PRIVATE brinkmap_kernels fmt::fmt PkgConfig::PCRE2 PkgConfig::UTF8PROC OpenSSL::Crypto
                        nlohmann_json::nlohmann_json)
  target_include_directories(fuzzed PRIVATE ${PROJECT_BINARY_DIR}/worker/generated)
  # What `brinkmap analyze` reads and computes; the rest of its layer comes from the library.
  set(seeds_analyze ${CMAKE_CURRENT_SOURCE_DIR}/data/analyze_folders)
  file(GLOB fuzzed_analysis CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/audit/analy*.cpp)
  add_library(fuzzed_analysis OBJECT ${fuzzed_analysis} ${PROJECT_SOURCE_DIR}/audit/csv_table.cpp
              ${PROJECT_SOURCE_DIR}/audit/outside_matrix.cpp)
  target_compile_options(fuzzed_analysis PRIVATE -fsanitize=fuzzer-no-link)
  target_link_libraries(fuzzed_analysis PRIVATE brinkmap_audit Boost::headers nlohmann_json::nlohmann_json)
  foreach(format gguf safetensors chat_template import analyze)
    set(part fuzzed)
    if(format STREQUAL "analyze")
      set(part fuzzed_analysis)
    endif()
    add_executable(${format}_fuzz ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${format}_fuzz.cpp $<TARGET_OBJECTS:${part}>)
    target_compile_options(${format}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_options(${format}_fuzz PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${format}_fuzz PRIVATE brinkmap_kernels brinkmap_audit fmt::fmt PkgConfig::PCRE2 PkgConfig::UTF8PROC
                          OpenSSL::Crypto nlohmann_json::nlohmann_json)
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/${format}_corpus)
    add_test(NAME ${format}_fuzz COMMAND ${format}_fuzz -max_total_time=20 -max_len=8192 -rss_limit_mb=1024
             ${CMAKE_CURRENT_BINARY_DIR}/${format}_corpus ${seeds_${format}})
    set_tests_properties(${format}_fuzz PROPERTIES TIMEOUT 120)
  endforeach()
endif()
