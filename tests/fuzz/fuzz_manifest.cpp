// Manifests and records of finished shards. Their own hash would turn away whatever is changed, so it is made
// to fit first: only then are the claims themselves tried.
#include "datasets/pack/pack_format.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "trainer/base/hash.hpp"

namespace {

// The text with its last member, the hash, replaced by the right one.
std::string with_right_hash(const std::string& text) {
  constexpr const char* kHash = ",\n \"hash\": \"";
  const auto at = text.rfind(kHash);
  if (at == std::string::npos) return text;
  const std::string body = text.substr(0, at);
  return body + kHash + vitrail::hash_text(body + "\n}").hex() + "\"\n}\n";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail::datasets;
  const std::string text(reinterpret_cast<const char*>(data), size);
  for (const std::string& tried : {text, with_right_hash(text)}) {
    vitrail::tests::expect_no_other_error([&] { parse_manifest(tried, "manifest.json"); });
    vitrail::tests::expect_no_other_error(
        [&] { parse_shard_record(tried, "record.json", shard_name(0, 1)); });
  }
  return 0;
}
