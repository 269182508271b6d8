// What a stream leaves sorted on disk. The input: the length of spool.json's text, that text, the bytes of
// the first heap; the hash is made to fit, so that nothing but the reader's own checks stands in the way.
#include <filesystem>

#include "datasets/packing/spool.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/fuzz_folder.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

void read_first_heap(const std::filesystem::path& folder) {
  const auto contents = read_spool(folder);
  if (!contents) return;
  heap_is_there(folder, *contents, 0);
  for (const SourceItem& item : read_heap(folder, *contents, 0)) {
    if (item.flaw != Flaw::none) continue;
    if (item.label >= contents->classes.size() || item.key.size() > contents->longest_key) std::abort();
    if (read_from_heap(folder, 0, item).size() != item.bytes) std::abort();
  }
}

}  // namespace
}  // namespace vitrail::datasets

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitrail;
  const auto input = tests::text_and_bytes(data, size);
  if (!input) return 0;
  const auto& [text, heap] = *input;
  const tests::FuzzFolder folder;
  folder.put("spool.json", hash_text(text).hex() + "\n" + text);
  folder.put("heap-00000", heap);
  tests::expect_no_other_error([&] { datasets::read_first_heap(folder.path()); });
  return 0;
}
