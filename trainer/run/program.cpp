#include "trainer/run/program.hpp"

#include <fstream>

#include <fmt/format.h>

#include <torch/version.h>

#include "sharding/comm/mpi_handles.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::trainer {

std::string hash_of_program() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  Hasher hasher;
  for (std::string part(1 << 20, '\0'); file.read(part.data(), 1 << 20), file.gcount() > 0;) {
    hasher.update(std::as_bytes(std::span(part.data(), static_cast<std::size_t>(file.gcount()))));
  }
  return hasher.digest().hex();
}

ProgramFacts this_program(const ProgramFacts& build) {
  ProgramFacts facts = build;
  facts["xxh3_128"] = hash_of_program();
  facts["libtorch"] = TORCH_VERSION;
  facts["mpi"] = sharding::mpi_library();
  return facts;
}

std::string describe_program(const ProgramFacts& facts) {
  if (facts.empty()) return "an earlier build";
  const auto fact = [&](const char* key) {
    const auto found = facts.find(key);
    return found == facts.end() ? "unknown" : found->second;
  };
  return fmt::format("{} (commit {}, LibTorch {})", fact("version"), fact("commit"), fact("libtorch"));
}

}  // namespace vitrail::trainer
