#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

// Point-to-point messages between the ranks of one run, as a value: the same coordinator code runs over MPI
// (mpi_communicator.h) and over threads of one process (local_communicator.h).
namespace brinkmap::mpi {

struct Message {
  int source = 0;
  int tag = 0;
  std::string bytes;
};

// Copies share one endpoint. An endpoint belongs to one thread. Messages between two ranks arrive in order.
// Sending never blocks and says nothing about arrival: a lost rank shows by its silence.
class Communicator {
 public:
  template <class Endpoint>
  explicit Communicator(std::shared_ptr<Endpoint> endpoint)
      : self_(std::make_shared<Model<Endpoint>>(std::move(endpoint))) {}

  int rank() const { return self_->rank(); }
  int size() const { return self_->size(); }
  void send(int to, int tag, std::string bytes) const { self_->send(to, tag, std::move(bytes)); }
  std::optional<Message> try_receive() const { return self_->try_receive(); }
  // Whether every message sent so far has left this rank.
  bool drained() const { return self_->drained(); }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual int rank() = 0;
    virtual int size() = 0;
    virtual void send(int to, int tag, std::string bytes) = 0;
    virtual std::optional<Message> try_receive() = 0;
    virtual bool drained() = 0;
  };
  template <class Endpoint>
  struct Model final : Concept {
    explicit Model(std::shared_ptr<Endpoint> e) : endpoint(std::move(e)) {}
    int rank() override { return endpoint->rank(); }
    int size() override { return endpoint->size(); }
    void send(int to, int tag, std::string bytes) override { endpoint->send(to, tag, std::move(bytes)); }
    std::optional<Message> try_receive() override { return endpoint->try_receive(); }
    bool drained() override { return endpoint->drained(); }
    std::shared_ptr<Endpoint> endpoint;
  };
  std::shared_ptr<Concept> self_;
};

}  // namespace brinkmap::mpi
