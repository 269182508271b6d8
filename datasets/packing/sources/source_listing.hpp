// The files of a source, known before one is read: 14 million of ImageNet's in about 0.8 GB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "datasets/packing/pack_rules.hpp"

namespace vitrail::datasets {

struct SourceItem {
  std::string key;  // unique in the source; for folders and archives of classes CLASS/PATH
  std::uint32_t label = 0;
  std::uint64_t bytes = 0;
  std::uint64_t place = 0;  // where the bytes are: the source's own business
  Flaw flaw = Flaw::none;
};

class Listing {
 public:
  void add(const SourceItem& item);
  void append(Listing&& other, std::uint32_t label);  // all of them get this label; nothing is copied
  void shrink();                                      // gives back memory kept for more items

  std::size_t size() const { return first_.back(); }
  std::string_view key(std::size_t i) const;
  SourceItem item(std::size_t i) const;
  std::uint32_t label(std::size_t i) const;
  Flaw flaw(std::size_t i) const;

  std::uint64_t total_bytes() const;
  std::uint64_t longest_key() const;  // of those without a flaw; at least 1
  std::string hash() const;           // of keys, labels and sizes

 private:
  struct Part {
    std::string keys;  // end to end
    std::vector<std::uint32_t> key_end, label;
    std::vector<std::uint64_t> bytes, place;
    std::vector<Flaw> flaw;

    std::string_view key(std::size_t row) const;
  };
  struct Place {
    const Part& part;
    std::size_t row;
  };
  Place find(std::size_t i) const;

  std::vector<Part> parts_;
  std::vector<std::size_t> first_{0};  // item of each part, and how many there are
};

}  // namespace vitrail::datasets
