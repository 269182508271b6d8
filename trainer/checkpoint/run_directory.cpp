#include "trainer/checkpoint/run_directory.hpp"

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::trainer {

RunDirectory run_directory(const RunConfig& config) {
  return {config.dir.empty() ? std::filesystem::path("runs") / config.name
                             : std::filesystem::path(config.dir)};
}

void prepare(const RunDirectory& directory) {
  try {
    make_directories(directory.checkpoints());
    const auto probe = directory.root / ".writable.tmp";
    File file(probe, File::Mode::create);
    const std::string text(4096, 'x');
    file.write(std::as_bytes(std::span(text)));
    file.sync();
    file.close();
    std::filesystem::remove(probe);
  } catch (const Error& e) {
    throw Error(
        e.code(), fmt::format("the run cannot write its folder: {}", e.what()),
        e.hint().empty() ? "set run.dir to a folder that you may write to" : e.hint() + " (or set run.dir)");
  }
}

}  // namespace vitrail::trainer
