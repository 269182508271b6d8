// F8: checkpoints damaged at random in every way that files are, and read as a restore reads them: refused as
// bad data by name, or, where only white space of the manifest changed, read as what was written.
// VITRAIL_MUTATIONS says how many, VITRAIL_TEST_SEED which ones.
#include <cstdlib>
#include <map>
#include <optional>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/trainer/checkpoint/checkpoint_fixture.hpp"

namespace vitrail::trainer {
namespace {

constexpr int kWorld = 3;
constexpr std::size_t kPage = 4096;
using Files = std::map<std::string, std::string>;  // contents by name

std::uint64_t number_in(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

Files read_files(const fs::path& folder) {
  Files files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename()] = read_text(entry.path());
  }
  return files;
}

class CheckpointDamage : public CheckpointTest {
 protected:
  CheckpointDamage()
      : folder_(save<float>(kWorld, {.step = 8})),
        whole_(read_files(folder_)),
        others_{read_files(save_other(kWorld, 4)), read_files(save_other(kWorld, 8)),
                read_files(save_other(2, 8))} {
    fs::remove_all(folder_);
    save<float>(kWorld, {.step = 8});
    hash_ = state_hash(CheckpointReader(folder_), StatePart::all);
    for (const auto& [name, bytes] : whole_) names_.push_back(name);
  }

  // A checkpoint of another state: another step, another run, another number of ranks.
  fs::path save_other(int world, std::int64_t step) {
    return save<float>(world, {.step = step}, [&](sharding::LaneState& state) {
      for_each_piece<float>(state, [&](auto, const sharding::Piece& piece, float* values) {
        for (std::int64_t i = 0; i < piece.elements; ++i) values[i] += static_cast<float>(world + step);
      });
    });
  }

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_.below(n)); }
  const std::string& any_name() { return names_[below(names_.size())]; }

  // The file's contents after one accident; absent: the file is gone.
  std::optional<std::string> damaged(const std::string& name, std::string bytes) {
    const std::size_t size = bytes.size();
    if (size == 0) return std::nullopt;
    const std::size_t at = below(size), length = std::min(size - at, 1 + below(2 * kPage));
    switch (below(10)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(below(256));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes.append(length, static_cast<char>(below(256)));
        break;
      case 4:  // a page that never reached the disk
        bytes.replace(at / kPage * kPage, std::min(kPage, size - at / kPage * kPage), kPage, '\0');
        bytes.resize(size);
        break;
      case 5:  // written to the wrong place
        bytes.replace(at, length, bytes.substr(below(size - length + 1), length));
        break;
      case 6:
        return std::nullopt;
      case 7:
        return whole_.at(any_name());
      case 8: {
        const Files& other = others_[below(std::size(others_))];
        const auto found = other.find(name);
        return found == other.end() ? other.begin()->second : found->second;
      }
      default:
        bytes.erase(at, length);
    }
    return bytes;
  }

  // Anything but a file under a file's name.
  void put_oddity(const fs::path& path) {
    switch (below(5)) {
      case 0:
        fs::create_directory(path);
        break;
      case 1:
        ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
        break;
      case 2:
        fs::create_symlink(path.filename(), path);
        break;
      case 3:
        fs::create_symlink("/dev/zero", path);
        break;
      default:
        fs::create_symlink(folder_ / any_name(), path);
    }
  }

  // Damages some files in the folder; the names of those that are not as they were.
  std::vector<std::string> damage() {
    Files files = whole_;
    const std::size_t accidents = below(4) == 0 ? 2 : 1;
    for (std::size_t i = 0; i < accidents; ++i) {
      const std::string& name = any_name();
      if (below(8) == 0) {
        std::swap(files[name], files[any_name()]);
      } else if (auto bytes = damaged(name, files[name])) {
        files[name] = std::move(*bytes);
      } else {
        files[name].clear();
      }
    }
    std::vector<std::string> changed;
    for (const auto& [name, bytes] : files) {
      if (bytes == whole_.at(name)) continue;
      changed.push_back(name);
      fs::remove(folder_ / name);
      if (!bytes.empty() || below(2) == 0) write(name, bytes);
    }
    if (changed.empty() && below(2) == 0) {
      changed.push_back(any_name());
      fs::remove(folder_ / changed.back());
      put_oddity(folder_ / changed.back());
    }
    return changed;
  }

  void write(const std::string& name, const std::string& bytes) const {
    File file(folder_ / name, File::Mode::create);
    file.write(std::as_bytes(std::span(bytes)));
  }

  void repair(const std::vector<std::string>& names) const {
    for (const std::string& name : names) {
      fs::remove_all(folder_ / name);
      write(name, whole_.at(name));
    }
  }

  // Whether it was refused; what is read instead must be what was written.
  bool is_refused(const std::string& what) const {
    std::string hash, manifest;
    const std::string told = refusal([&] {
      const CheckpointReader checkpoint(folder_);
      checkpoint.verify();
      manifest = to_json(checkpoint.manifest());
      hash = state_hash(checkpoint, StatePart::all);
    });
    if (told.empty()) {
      EXPECT_EQ(hash, hash_) << what;
      EXPECT_EQ(manifest, whole_.at("manifest.json")) << what;
      return false;
    }
    EXPECT_THAT(told, testing::StartsWith("65 ")) << what;
    EXPECT_THAT(told, testing::HasSubstr(folder_.string() + "/")) << what;
    return true;
  }

  fs::path folder_;
  Files whole_;
  Files others_[3];
  std::vector<std::string> names_;
  std::string hash_;
  Philox random_{number_in("VITRAIL_TEST_SEED", 1), Purpose::test, 8, 8};
};

TEST_F(CheckpointDamage, IsRefusedOrHarmless) {
  ASSERT_FALSE(is_refused("as it was written"));
  const std::uint64_t wanted = number_in("VITRAIL_MUTATIONS", 100);
  std::uint64_t tried = 0, refused = 0;
  while (tried < wanted) {
    const std::vector<std::string> changed = damage();
    if (changed.empty()) continue;
    ++tried;
    refused += is_refused(fmt::format("mutation {} of {}", tried, fmt::join(changed, ", ")));
    repair(changed);
    if (HasFatalFailure()) return;
  }
  ASSERT_FALSE(is_refused("repaired"));
  EXPECT_GT(refused, wanted * 9 / 10);
  fmt::print("{} mutations, {} refused, the others harmless\n", tried, refused);
}

// Passed over, a whole checkpoint would be put aside and the steps since the one before it be lost.
TEST_F(CheckpointTest, AFileThatCannotBeOpenedJustNowIsNotDamaged) {
  const fs::path folder = save<float>(2, {.step = 8});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit one_more = before;
  {
    const File next(folder / "manifest.json", File::Mode::read);
    one_more.rlim_cur = static_cast<rlim_t>(next.descriptor()) + 1;
  }
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &one_more), 0);
  const std::string told = refusal([&] { const CheckpointReader checkpoint(folder); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(told, testing::AllOf(testing::StartsWith("74 "),
                                   testing::HasSubstr("rank-00001-of-00002.h5: Too many")));
}

}  // namespace
}  // namespace vitrail::trainer
