//! The largest flow through a small network, by augmenting paths (Ford and Fulkerson 1956): as long as there is a way from the
//! source to the sink over edges that have something left, one more unit is sent along it.

/// Nodes and edges; a node is its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    /// Edges by the node they leave.
    leaving: Vec<Vec<usize>>,
    /// Edge e and its reverse e ^ 1 stand together: what one carries is what the other has left.
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug)]
struct Edge {
    to: usize,
    left: usize,
}

impl Network {
    /// A new node without edges.
    pub(super) fn node(&mut self) -> usize {
        self.leaving.push(Vec::new());
        self.leaving.len() - 1
    }

    /// An edge that carries up to `capacity`.
    pub(super) fn edge(&mut self, from: usize, to: usize, capacity: usize) {
        for (leaves, to, left) in [(from, to, capacity), (to, from, 0)] {
            self.leaving[leaves].push(self.edges.len());
            self.edges.push(Edge { to, left });
        }
    }

    /// The most that flows from `source` to `sink`, another node.
    pub(super) fn flow(mut self, source: usize, sink: usize) -> usize {
        let mut sent = 0;
        while self.send(source, sink, &mut vec![false; self.leaving.len()]) {
            sent += 1;
        }
        sent
    }

    /// Sends one unit from `at` to `sink` past the nodes that were tried; false if there is no way.
    fn send(&mut self, at: usize, sink: usize, tried: &mut [bool]) -> bool {
        if at == sink {
            return true;
        }
        tried[at] = true;
        for place in 0..self.leaving[at].len() {
            let edge = self.leaving[at][place];
            let Edge { to, left } = self.edges[edge];
            if left > 0 && !tried[to] && self.send(to, sink, tried) {
                self.edges[edge].left -= 1;
                self.edges[edge ^ 1].left += 1;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_sent_elsewhere_where_that_makes_room() {
        let mut network = Network::default();
        let [source, a, b, sink] = std::array::from_fn(|_| network.node());
        for (from, to, capacity) in [(source, a, 3), (source, b, 2), (a, b, 3), (a, sink, 1), (b, sink, 3)] {
            network.edge(from, to, capacity);
        }
        assert_eq!(network.flow(source, sink), 4);
    }

    #[test]
    fn nothing_flows_where_there_is_no_way() {
        let mut network = Network::default();
        let [source, a, sink] = std::array::from_fn(|_| network.node());
        network.edge(source, a, 5);
        network.edge(sink, a, 5);
        assert_eq!(network.flow(source, sink), 0);
    }
}
