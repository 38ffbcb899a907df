# How every target is compiled: C++20, warnings are errors, ccache when it is there.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

# Files, functions and lines for backtraces. The optimiser leaves few variables to look at, and writing down what became
# of them takes a quarter of a build; the preset `debug` has it all.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")

find_program(CCACHE ccache)
if(CCACHE)
  # Without the checkout's own path in what is compared, another checkout of the same sources compiles nothing.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
                                  ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside Boost and the standard library, where nothing is wrong.
  add_compile_options(-Wno-maybe-uninitialized -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
                      -Wno-stringop-overread -Wno-dangling-pointer -Wno-use-after-free)
endif()

if(DROVER_SANITIZE)
  add_compile_options(-fsanitize=${DROVER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)  # an empty optional, a place beyond the end: told, not read
  add_link_options(-fsanitize=${DROVER_SANITIZE})
  if(DROVER_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)
  endif()
endif()

if(DROVER_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # so that the fuzzers see which branches they reach
endif()

add_compile_definitions(BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
