# CUDA of LibTorch's major version, and which GPUs kernels are compiled for: CMAKE_CUDA_ARCHITECTURES, or of those that people
# train on the ones that this compiler knows.
set(chosen "${CMAKE_CUDA_ARCHITECTURES}")
enable_language(CUDA)
find_package(CUDAToolkit 12.0 REQUIRED)
if(NOT DEFINED VITRAIL_CUDA_ARCHITECTURES)
  if(NOT chosen)
    execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-code OUTPUT_VARIABLE known COMMAND_ERROR_IS_FATAL ANY)
    foreach(architecture 70 80 86 89 90 100 120)
      if(known MATCHES "sm_${architecture}[ \n]")
        list(APPEND chosen ${architecture})
      endif()
    endforeach()
  endif()
  set(VITRAIL_CUDA_ARCHITECTURES "${chosen}" CACHE INTERNAL "as first configured")
  message(STATUS "GPU kernels for sm_${VITRAIL_CUDA_ARCHITECTURES} by nvcc ${CMAKE_CUDA_COMPILER_VERSION}")
endif()
set(CMAKE_CUDA_ARCHITECTURES "${VITRAIL_CUDA_ARCHITECTURES}")

# A program that holds two majors of CUDA's runtime does not work.
file(STRINGS "${VITRAIL_TORCH_DIR}/torch/version.py" of_torch REGEX "^cuda.*'[0-9]+\\.")
string(REGEX MATCH "[0-9]+" of_torch "${of_torch}")
if(of_torch AND NOT of_torch EQUAL CUDAToolkit_VERSION_MAJOR)
  message(FATAL_ERROR "LibTorch in ${VITRAIL_TORCH_DIR} was built with CUDA ${of_torch}, the compiler is of CUDA "
    "${CUDAToolkit_VERSION}: take another LibTorch, or set CMAKE_CUDA_COMPILER to nvcc ${of_torch}")
endif()
