// Configuration files, as `train --config` reads them: understood or refused, and what is understood prints
// as a file that means the same.
#include <exception>

#include "launcher/cli/command_line.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/fuzz_folder.hpp"

namespace vitrail::launcher {
namespace {

// What print_config says of the file; empty where it is refused.
std::string printed(const std::filesystem::path& file) {
  try {
    const CommandLine line = parse_command_line({"train", "--config", file.string()});
    return print_config(line);
  } catch (const Error&) {
    return "";
  }
}

}  // namespace
}  // namespace vitrail::launcher

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail;
  const tests::FuzzFolder folder;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.find("include") != std::string::npos) return 0;  // would read files of this machine
  folder.put("run.cfg", text);
  const std::string first = launcher::printed(folder.path() / "run.cfg");
  if (first.empty()) return 0;
  folder.put("again.cfg", first);
  if (launcher::printed(folder.path() / "again.cfg") != first) std::abort();
  return 0;
}
