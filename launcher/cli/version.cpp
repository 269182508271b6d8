#include "launcher/cli/version.hpp"

#include <fmt/format.h>
#ifdef VITRAIL_TORCH
#include <ATen/Version.h>
#include <torch/version.h>
#endif

#include "datasets/pack/hdf5_handles.hpp"
#include "sharding/comm/mpi_handles.hpp"

namespace vitrail::launcher {

trainer::ProgramFacts build_facts() { return {{"version", VITRAIL_VERSION}, {"commit", commit()}}; }

std::string version_text() {
#ifdef VITRAIL_TORCH
  const std::string torch = fmt::format("{} ({} here)", TORCH_VERSION, at::get_cpu_capability());
#else
  const std::string torch = "none";
#endif
#ifdef VITRAIL_CUDA_VERSION
  const std::string cuda = VITRAIL_CUDA_VERSION;
#else
  const std::string cuda = "none";
#endif
  return fmt::format("vitrail {}\ncommit {}; LibTorch {}; CUDA {}; {}; HDF5 {}\n", VITRAIL_VERSION, commit(),
                     torch, cuda, sharding::mpi_library(), datasets::hdf5_library());
}

}  // namespace vitrail::launcher
