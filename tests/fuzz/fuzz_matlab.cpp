// MATLAB files, as in a devkit.
#include "datasets/archives/matlab_file.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vitrail::tests::expect_no_other_error([&] {
    const auto structs =
        vitrail::datasets::read_matlab_structs(std::as_bytes(std::span(data, size)), "synsets", "meta.mat");
    const std::size_t field = structs.field("WNID", "meta.mat");
    for (const auto& row : structs.rows) {
      if (row.size() != structs.fields.size() || field >= row.size()) std::abort();
    }
  });
  const auto file = std::as_bytes(std::span(data, size));
  vitrail::tests::expect_no_other_error(
      [&] { vitrail::datasets::read_matlab_numbers(file, "labels", "imagelabels.mat"); });
  vitrail::tests::expect_no_other_error(
      [&] { vitrail::datasets::read_matlab_texts(file, "class_names", "cars_meta.mat"); });
  return 0;
}
