#include <algorithm>

#include "tests/archives/archives.hpp"
#include "tests/archives/matlab_file.hpp"

namespace vitrail::tests {
namespace {

void add_synset(double id, const std::string& wnid, const std::string& words, int children,
                std::vector<std::string>& values) {
  std::vector<double> ids;
  for (int i = 0; i < children; ++i) ids.push_back(i + 1);
  for (const std::string& value :
       {matlab_number(id), matlab_text(wnid), matlab_text(words), matlab_text("a thing that is " + words),
        matlab_number(children), matlab_numbers(ids), matlab_number(7), matlab_number(1300)}) {
    values.push_back(value);
  }
}

}  // namespace

std::string matlab_synsets(const std::vector<ImageClass>& tree, bool compressed) {
  std::vector<const ImageClass*> by_id;
  for (const ImageClass& c : tree) by_id.push_back(&c);
  std::ranges::sort(by_id, {}, [](const ImageClass* c) { return c->ilsvrc_id; });
  std::vector<std::string> values;
  for (const ImageClass* c : by_id) add_synset(c->ilsvrc_id, c->wnid, c->words, 0, values);
  const auto count = static_cast<double>(tree.size());
  add_synset(count + 1, "n00001740", "entity", 2, values);
  add_synset(count + 2, "n00001930", "physical entity", 3, values);
  const std::string structs = matlab_structs({"ILSVRC2012_ID", "WNID", "words", "gloss", "num_children",
                                              "children", "wordnet_height", "num_train_images"},
                                             values, "synsets");
  const std::string before = matlab_numbers({2012}, "release");
  return matlab_header("a miniature of ILSVRC2012's meta.mat") +
         (compressed ? matlab_compressed(before) + matlab_compressed(structs) : before + structs);
}

}  // namespace vitrail::tests
