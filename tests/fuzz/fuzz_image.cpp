// Encoded images, as records hold them and as packing meets them.
#include "datasets/codec/codec.hpp"
#include "datasets/packing/pack_rules.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail::datasets;
  const auto bytes = std::as_bytes(std::span(data, size));
  vitrail::tests::expect_no_other_error([&] {
    EncodedImage part(bytes);
    std::vector<std::uint8_t> pixels;
    const int width = (part.width() + 1) / 2, height = (part.height() + 1) / 2;
    part.decode({part.width() / 3, part.height() / 3, width, height}, pixels);
  });
  vitrail::tests::expect_no_other_error([&] {
    const StoredImage stored = store_image(copied(bytes), Reencode{8, 80});
    const Image image = decode_image(stored.encoded);
    if (image.height != stored.height || image.width != stored.width) std::abort();
  });
  return 0;
}
