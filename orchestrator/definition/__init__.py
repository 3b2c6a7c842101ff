"""What an author writes: messages, the decorator and the scope of a saga, traced values; and its compiler."""
