# libFuzzer over the GGUF reader: `cmake --preset fuzz && cmake --build --preset fuzz --target gguf_fuzz`, then ctest runs
# a short round from the committed files, and `gguf_fuzz -max_total_time=600 CORPUS` a long one. The reader's
# sources are compiled again so that they carry libFuzzer's coverage counters.
if(BRINKMAP_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "BRINKMAP_FUZZ needs Clang: use the preset fuzz")
  endif()
  file(GLOB fuzzed CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/worker/gguf*.cpp ${PROJECT_SOURCE_DIR}/worker/tokenizer*.cpp
       ${PROJECT_SOURCE_DIR}/worker/recipe*.cpp ${PROJECT_SOURCE_DIR}/worker/hash.cpp)
  add_executable(gguf_fuzz ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/gguf_fuzz.cpp ${fuzzed})
  target_compile_options(gguf_fuzz PRIVATE -fsanitize=fuzzer)
  target_link_options(gguf_fuzz PRIVATE -fsanitize=fuzzer)
  target_link_libraries(gguf_fuzz PRIVATE brinkmap_kernels fmt::fmt PkgConfig::PCRE2 OpenSSL::Crypto)
  file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/gguf_corpus)
  add_test(NAME gguf_fuzz COMMAND gguf_fuzz -max_total_time=20 -max_len=8192 -rss_limit_mb=1024
           ${CMAKE_CURRENT_BINARY_DIR}/gguf_corpus ${CMAKE_CURRENT_SOURCE_DIR}/data/broken ${CMAKE_CURRENT_SOURCE_DIR}/data/gguf)
  set_tests_properties(gguf_fuzz PROPERTIES TIMEOUT 120)
endif()
