#include "launcher/cli/version.hpp"

#include <fmt/format.h>
#ifdef VITRAIL_TORCH
#include <ATen/Version.h>
#include <torch/version.h>
#endif

#include "datasets/pack/hdf5_handles.hpp"
#include "sharding/comm/mpi_handles.hpp"
#include "sharding/device/gpu_device.hpp"

namespace vitrail::launcher {

trainer::ProgramFacts build_facts() { return {{"version", VITRAIL_VERSION}, {"commit", commit()}}; }

std::vector<std::pair<std::string, std::string>> library_versions() {
#ifdef VITRAIL_TORCH
  const std::string torch = TORCH_VERSION;
#else
  const std::string torch = "none";
#endif
#ifdef VITRAIL_CUDA_VERSION
  const std::string cuda = VITRAIL_CUDA_VERSION;
#else
  const std::string cuda = "none";
#endif
  return {{"LibTorch", torch},
          {"CUDA", cuda},
          {"NCCL", sharding::nccl_library()},
          {"MPI", sharding::mpi_library()},
          {"HDF5", datasets::hdf5_library()}};
}

std::string instructions_here() {
#ifdef VITRAIL_TORCH
  return at::get_cpu_capability();
#else
  return "";
#endif
}

std::string version_text() {
  std::string libraries;
  for (const auto& [name, version] : library_versions())
    libraries += name == "MPI" ? fmt::format("; {}", version) : fmt::format("; {} {}", name, version);
  const std::string instructions = instructions_here();
  return fmt::format("vitrail {}\ncommit {}{}{}\n", VITRAIL_VERSION, commit(), libraries,
                     instructions.empty() ? "" : "; " + instructions + " here");
}

}  // namespace vitrail::launcher
