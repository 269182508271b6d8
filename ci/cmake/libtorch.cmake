# Target vitrail_torch: LibTorch's libraries (CPU; with VITRAIL_CUDA also CUDA) as they lie in the PyPI wheel (or any LibTorch folder), and the
# one precompiled header that all targets which include torch share: tensors, and nothing of torch/torch.h beyond them, which
# takes three times as long to read in every source.
# The package's own TorchConfig.cmake is not used: for a CUDA wheel it demands a whole CUDA toolkit.
set(torch_root "${VITRAIL_TORCH_DIR}/torch")
set(torch_lib_dir "${torch_root}/lib")
if(NOT EXISTS "${torch_lib_dir}/libtorch_cpu.so")
  message(FATAL_ERROR "There is no torch/lib/libtorch_cpu.so in ${VITRAIL_TORCH_DIR}: run ci/install.sh, name "
                      "another folder with -DVITRAIL_TORCH_DIR=, or build without it with -DVITRAIL_TORCH=OFF")
endif()

# The wheel ships fmt's headers, newer than the distribution's library: give the compiler every folder of
# torch/include except that one.
set(torch_include "${PROJECT_BINARY_DIR}/torch_include")
file(GLOB torch_headers RELATIVE "${torch_root}/include" "${torch_root}/include/*")
list(REMOVE_ITEM torch_headers fmt)
file(MAKE_DIRECTORY "${torch_include}")
foreach(header IN LISTS torch_headers)
  file(CREATE_LINK "${torch_root}/include/${header}" "${torch_include}/${header}" SYMBOLIC)
endforeach()

add_library(vitrail_torch INTERFACE)
target_include_directories(vitrail_torch SYSTEM INTERFACE "${torch_include}" "${torch_include}/torch/csrc/api/include")
target_link_libraries(vitrail_torch INTERFACE "${torch_lib_dir}/libtorch_cpu.so" "${torch_lib_dir}/libc10.so")
# at::parallel_for is a template: serial in sources compiled without OpenMP. The runtime is LibTorch's own, so that there is one.
target_compile_options(vitrail_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
file(GLOB torch_openmp "${torch_lib_dir}/libgomp*.so*")
if(torch_openmp)
  target_link_libraries(vitrail_torch INTERFACE ${torch_openmp})
else()
  find_package(OpenMP REQUIRED)
  target_link_libraries(vitrail_torch INTERFACE OpenMP::OpenMP_CXX)
endif()
# Beside the program first: there slurm/requeue.sh puts copies.
set(CMAKE_BUILD_RPATH "$ORIGIN/lib" "${torch_lib_dir}")
target_link_options(vitrail_torch INTERFACE
  LINKER:--disable-new-dtags LINKER:--unresolved-symbols=ignore-in-shared-libs)
if(VITRAIL_CUDA)  # nothing in our objects asks for libtorch_cuda, whose kernels register themselves when it is loaded
  target_link_libraries(vitrail_torch INTERFACE
    -Wl,--push-state,--no-as-needed "${torch_lib_dir}/libtorch_cuda.so" -Wl,--pop-state
    "${torch_lib_dir}/libc10_cuda.so" CUDA::cudart)
endif()

file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/torch_pch.cpp"
     CONTENT "// the precompiled header needs one source file\n")
add_library(vitrail_torch_pch STATIC "${PROJECT_BINARY_DIR}/torch_pch.cpp")
target_link_libraries(vitrail_torch_pch PUBLIC vitrail_flags vitrail_torch)
target_precompile_headers(vitrail_torch_pch PRIVATE <ATen/ATen.h>)

# vitrail_uses_torch(TARGET): links LibTorch and takes the shared precompiled header.
function(vitrail_uses_torch target)
  target_link_libraries(${target} PUBLIC vitrail_torch)
  target_precompile_headers(${target} REUSE_FROM vitrail_torch_pch)
endfunction()
