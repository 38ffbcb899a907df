# drover_room(NAME [DEPENDS room...] [LIBS lib...] [PRIVATE_LIBS lib...])
#
# Makes the library `drover_NAME` of the sources in this folder and below, and `NAME_test` of its *_test.cc.
# A room's headers are reached as "NAME/x.h" through a folder that holds nothing but a link to that room, so
# that including a room that is not in DEPENDS (directly or through one that is) does not compile.
function(drover_room name)
  cmake_parse_arguments(ROOM "" "" "DEPENDS;LIBS;PRIVATE_LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  set(view ${PROJECT_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${view})
  file(CREATE_LINK ${CMAKE_CURRENT_SOURCE_DIR} ${view}/${name} SYMBOLIC)

  list(TRANSFORM ROOM_DEPENDS PREPEND drover_)
  add_library(drover_${name} STATIC ${sources})
  target_include_directories(drover_${name} PUBLIC ${view})
  target_link_libraries(drover_${name} PUBLIC ${ROOM_DEPENDS} ${ROOM_LIBS} PRIVATE ${ROOM_PRIVATE_LIBS})

  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE drover_${name} ${ROOM_PRIVATE_LIBS} drover_test_main)
    # What is tested is optimised in full; the tests themselves run once and are most of a build.
    target_compile_options(${name}_test PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
    include(GoogleTest)
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 120)
  endif()
endfunction()
