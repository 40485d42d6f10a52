"""What methods that train share: changes of whole weights, of some entries or of low rank, and what watches them."""
