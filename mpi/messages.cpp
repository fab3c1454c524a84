#include "mpi/messages.h"

#include <cereal/archives/portable_binary.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <sstream>

#include "schedule/error.h"

namespace brinkmap::mpi {

template <class T>
std::string pack(const T& message) {
  std::ostringstream out(std::ios::binary);
  {
    cereal::PortableBinaryOutputArchive archive(out);
    archive(message);
  }
  return out.str();
}

template <class T>
T unpack(const std::string& bytes) {
  std::istringstream in(bytes, std::ios::binary);
  T message;
  try {
    cereal::PortableBinaryInputArchive archive(in);
    archive(message);
  } catch (const std::exception& e) {
    throw Error(std::string("a message that cannot be read: ") + e.what());
  }
  return message;
}

template std::string pack(const Setup&);
template std::string pack(const Hello&);
template std::string pack(const Lease&);
template std::string pack(const Done&);
template std::string pack(const Fault&);
template std::string pack(const Stop&);
template std::string pack(const SpectraTask&);
template std::string pack(const SpectraDone&);
template Setup unpack(const std::string&);
template Hello unpack(const std::string&);
template Lease unpack(const std::string&);
template Done unpack(const std::string&);
template Fault unpack(const std::string&);
template Stop unpack(const std::string&);
template SpectraTask unpack(const std::string&);
template SpectraDone unpack(const std::string&);

}  // namespace brinkmap::mpi
