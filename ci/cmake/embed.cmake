# Writes OUTPUT, a source whose functions return what files hold: FILES is a list of NAME=FILE, HEADER declares the
# functions in NAMESPACE.
set(text "#include \"${HEADER}\"\n")
foreach(entry IN LISTS FILES)
  string(REGEX MATCH "^([^=]+)=(.+)$" found "${entry}")
  file(READ "${CMAKE_MATCH_2}" content)
  string(APPEND text "\nstd::string_view ${NAMESPACE}::${CMAKE_MATCH_1}() {\n  return R\"EMBEDDED(${content})EMBEDDED\";\n}\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}")
