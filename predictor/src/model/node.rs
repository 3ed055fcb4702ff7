//! What is a tree, written down?
//!
//! Nodes stand in pre-order: the child of the smaller values follows its parent at once, so only the other child needs
//! a number, every child comes after its parent, and no chain of children can go round in a circle.

use thiserror::Error;

/// One node of a tree, in 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// The mean of the targets that came by here in training, 0 to 1 where targets are; the answer, if this is a leaf.
    pub mean: f32,
    /// Rows whose feature is at most this go to the next node, others to `above`. Without meaning in a leaf.
    pub threshold: f32,
    /// Which node of the same tree comes next for larger values; 0, which is the root, in a leaf.
    pub above: u32,
    /// Which feature is asked for. Without meaning in a leaf.
    pub feature: u16,
}

impl Node {
    /// Whether nothing is asked here.
    pub fn is_leaf(&self) -> bool {
        self.above == 0
    }
}

/// Why nodes are not a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NodesError {
    /// A forest of nothing answers nothing.
    #[error("a forest needs trees, and a tree needs nodes")]
    Empty,
    /// More than a node can name.
    #[error("a forest has 1 to 65535 features, not {0}")]
    Width(usize),
    /// One weight for each feature.
    #[error("the importance of features has another length than a row, or is not finite and positive")]
    Importance,
    /// A number of the node is NaN or infinite.
    #[error("node {node} of tree {tree} has a number that is not finite")]
    NotFinite {
        /// Which tree.
        tree: usize,
        /// Which node in it.
        node: usize,
    },
    /// It asks for a feature that a row does not have.
    #[error("node {node} of tree {tree} asks for a feature that there is not")]
    Feature {
        /// Which tree.
        tree: usize,
        /// Which node in it.
        node: usize,
    },
    /// Its children are not where pre-order puts them.
    #[error("node {node} of tree {tree} does not have its children in pre-order")]
    Order {
        /// Which tree.
        tree: usize,
        /// Which node in it.
        node: usize,
    },
}

/// Whether these nodes are one whole tree in pre-order over rows of this width.
pub(super) fn check_tree(tree: usize, nodes: &[Node], width: usize) -> Result<(), NodesError> {
    if nodes.is_empty() {
        return Err(NodesError::Empty);
    }
    // The upper children that are still to come, the nearest last. In pre-order a leaf is followed by the nearest one.
    let mut open: Vec<usize> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        if !node.mean.is_finite() || !node.threshold.is_finite() {
            return Err(NodesError::NotFinite { tree, node: at });
        }
        if node.is_leaf() {
            let next = open.pop().unwrap_or(nodes.len());
            if next != at + 1 {
                return Err(NodesError::Order { tree, node: at });
            }
            continue;
        }
        if usize::from(node.feature) >= width {
            return Err(NodesError::Feature { tree, node: at });
        }
        let above = node.above as usize;
        let room = open.last().copied().unwrap_or(nodes.len());
        if above <= at + 1 || above >= room {
            return Err(NodesError::Order { tree, node: at });
        }
        open.push(above);
    }
    // A last node that is no leaf has promised children that are not there.
    if open.is_empty() { Ok(()) } else { Err(NodesError::Order { tree, node: nodes.len() - 1 }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(mean: f32) -> Node {
        Node { mean, threshold: 0.0, above: 0, feature: 0 }
    }

    fn split(feature: u16, above: u32) -> Node {
        Node { mean: 0.5, threshold: 1.0, above, feature }
    }

    fn check(nodes: &[Node], expected: Result<(), NodesError>) {
        assert_eq!(check_tree(3, nodes, 2), expected);
    }

    #[test]
    fn only_whole_trees_in_pre_order_pass() {
        let order = |node| Err(NodesError::Order { tree: 3, node });
        check(&[leaf(0.1)], Ok(()));
        check(&[split(1, 2), leaf(0.1), leaf(0.9)], Ok(()));
        check(&[split(1, 4), split(0, 3), leaf(0.1), leaf(0.2), leaf(0.9)], Ok(()));
        check(&[split(0, 2), leaf(0.1), split(0, 4), leaf(0.1), leaf(0.2)], Ok(()));
        check(&[], Err(NodesError::Empty));
        // A child that is itself, one that is out of range, one that belongs to another parent, nodes too many, too few.
        check(&[split(0, 1), leaf(0.1)], order(0));
        check(&[split(0, 9), leaf(0.1), leaf(0.2)], order(0));
        check(&[split(1, 3), split(0, 4), leaf(0.1), leaf(0.2), leaf(0.9)], order(1));
        check(&[leaf(0.1), leaf(0.2)], order(0));
        check(&[split(0, 2), leaf(0.1), split(0, 4), leaf(0.1)], order(2));
        check(&[split(0, 2), leaf(0.1)], order(0));
        check(&[split(2, 2), leaf(0.1), leaf(0.2)], Err(NodesError::Feature { tree: 3, node: 0 }));
        check(&[leaf(f32::NAN)], Err(NodesError::NotFinite { tree: 3, node: 0 }));
    }
}
