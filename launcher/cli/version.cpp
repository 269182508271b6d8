#include "launcher/cli/version.hpp"

#include <fmt/format.h>
#ifdef VITRAIL_TORCH
#include <torch/version.h>
#endif

#include "datasets/pack/hdf5_handles.hpp"
#include "sharding/comm/mpi_handles.hpp"

namespace vitrail::launcher {

trainer::ProgramFacts build_facts() { return {{"version", VITRAIL_VERSION}, {"commit", commit()}}; }

std::string version_text() {
#ifdef VITRAIL_TORCH
  const std::string torch = TORCH_VERSION;
#else
  const std::string torch = "none";
#endif
  return fmt::format("vitrail {}\ncommit {}; LibTorch {}; {}; HDF5 {}\n", VITRAIL_VERSION, commit(), torch,
                     sharding::mpi_library(), datasets::hdf5_library());
}

}  // namespace vitrail::launcher
