#include "datasets/bytes.hpp"

#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::datasets {

Bytes read_image_file(const std::filesystem::path& path) {
  const File file(path, File::Mode::read);
  Bytes bytes(file.size());
  file.read_at(0, bytes);
  return bytes;
}

}  // namespace vitrail::datasets
