# `cmake --install FOLDER --prefix P` and the target `package`: a tree that may be moved and used by anybody. The program finds
# LibTorch and all else that is not the distribution's beside it, by $ORIGIN.
include(GNUInstallDirs)
set(own_libraries "${CMAKE_INSTALL_LIBDIR}/vitrail")
file(RELATIVE_PATH to_libraries "/${CMAKE_INSTALL_BINDIR}" "/${own_libraries}")
set_target_properties(vitrail PROPERTIES INSTALL_RPATH "$ORIGIN/${to_libraries}")
target_link_options(vitrail PRIVATE LINKER:--disable-new-dtags)  # also for what those libraries load
install(TARGETS vitrail RUNTIME_DEPENDENCY_SET libraries)
install(RUNTIME_DEPENDENCY_SET libraries
  PRE_EXCLUDE_REGEXES "^libcuda\\.so" "^libnvidia-ml\\.so"  # the driver's
  POST_EXCLUDE_REGEXES "^/lib" "^/usr/lib"
  DESTINATION "${own_libraries}")

install(DIRECTORY configs slurm DESTINATION "${CMAKE_INSTALL_DATADIR}/vitrail" USE_SOURCE_PERMISSIONS)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# What the program says of itself.
set(manuals "${CMAKE_INSTALL_MANDIR}/man1")
set(completions "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
install(CODE "
  function(write words file)
    separate_arguments(words)
    get_filename_component(folder \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${file}\" DIRECTORY)
    file(MAKE_DIRECTORY \"\${folder}\")
    execute_process(COMMAND \"$<TARGET_FILE:vitrail>\" \${words}
      OUTPUT_FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/\${file}\" COMMAND_ERROR_IS_FATAL ANY)
  endfunction()
  execute_process(COMMAND \"$<TARGET_FILE:vitrail>\" --help OUTPUT_VARIABLE help COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCH \"commands\\n(  [^\\n]*\\n)+\" table \"\${help}\")
  string(REGEX MATCHALL \"\\n  [a-z]+\" commands \"\${table}\")
  write(manual \"${manuals}/vitrail.1\")
  foreach(command IN LISTS commands)
    string(STRIP \"\${command}\" command)
    write(\"manual \${command}\" \"${manuals}/vitrail-\${command}.1\")
  endforeach()
  write(\"completion bash\" \"${completions}/vitrail\")
")

set(CPACK_PACKAGE_NAME vitrail)
set(CPACK_GENERATOR TXZ)
set(CPACK_THREADS 0)
if(VITRAIL_CUDA)
  set(CPACK_PACKAGE_FILE_NAME "vitrail-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR}-cuda")
else()
  set(CPACK_PACKAGE_FILE_NAME "vitrail-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR}")
endif()
include(CPack)
