#include "trainer/weights/unfilled_tail.hpp"

#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <unistd.h>

#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t kWidth = 32;
constexpr std::size_t kMatrix = kWidth * kWidth;

// Files of a small residual network: a and b are matrices of its body, `gain` and `shift` follow them.
class UnfilledTail : public testing::Test {
 protected:
  UnfilledTail() {
    for (const char* name : {"a.weight", "b.weight"}) tensors_[name] = std::vector<float>(kMatrix, 1);
    for (const char* name : {"c.gain", "c.shift"}) tensors_[name] = std::vector<float>(kWidth, 1);
  }
  ~UnfilledTail() override { std::filesystem::remove(path_); }

  void write() const {
    std::map<std::string, TensorBytes> bytes;
    for (const auto& [name, values] : tensors_) {
      std::vector<std::int64_t> shape = {kWidth};
      if (values.size() == kMatrix) shape.push_back(kWidth);
      bytes[name] = {DataType::f32, shape, std::as_bytes(std::span(values))};
    }
    write_safetensors(path_, bytes);
  }
  std::string refusal() const {
    models::ParameterSpec head;
    head.name = "head.weight";
    head.head = true;
    try {
      refuse_unfilled_tail(SafetensorsReader(path_), {head}, "");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_data);
      return e.what();
    }
    return "";
  }
  // Room for the whole file, of which the last bytes never came.
  std::string refusal_without(std::size_t bytes) const {
    write();
    std::string file = read_text(path_);
    std::fill(file.end() - static_cast<std::ptrdiff_t>(bytes), file.end(), '\0');
    write_text_atomically(path_, file);
    return refusal();
  }

  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("unfilled_{}.safetensors", ::getpid());
  std::map<std::string, std::vector<float>> tensors_;
};

TEST_F(UnfilledTail, ZerosOverSeveralTensorsNameTheFirst) {
  const std::size_t small = 2 * kWidth * sizeof(float);
  EXPECT_EQ(refusal_without(0), "");
  EXPECT_THAT(refusal_without(small + kMatrix * sizeof(float)),
              AllOf(HasSubstr("nothing but zeros from within b.weight to the end, over 3 of its 4 tensors")));
  EXPECT_THAT(refusal_without(small + 1000), HasSubstr("from within b.weight to the end, over 3 of"));
  EXPECT_THAT(refusal_without(small + kMatrix * sizeof(float) + 1000), HasSubstr("from within a.weight"));
}

TEST_F(UnfilledTail, GainsBiasesHeadsAndSingleTensorsMayBeZeros) {
  tensors_["c.gain"].assign(kWidth, 0);
  tensors_["c.shift"].assign(kWidth, 0);
  write();
  EXPECT_EQ(refusal(), "") << "as a residual network begins";
  tensors_["head.weight"].assign(kMatrix, 0);
  tensors_["head.bias"].assign(kWidth, 0);
  write();
  EXPECT_EQ(refusal(), "") << "as a transformer begins";
  tensors_ = {{"a.weight", std::vector<float>(kMatrix, 1)}, {"pos_embed", std::vector<float>(kMatrix, 0)}};
  write();
  EXPECT_EQ(refusal(), "") << "one matrix";
}

}  // namespace
}  // namespace vitrail::trainer
